"""The page in the browser."""

import os

# Gradio reads it when it is imported, and then calls nobody.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
