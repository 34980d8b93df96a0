"""The page in the browser."""

import os

# The page is what its flags say, whatever is set for other Gradio apps of this machine: variables
# could open folders, or serve files past the password.
for name in [name for name in os.environ if name.startswith("GRADIO_")]:
    del os.environ[name]

# Gradio reads it when it is imported, and then calls nobody.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
