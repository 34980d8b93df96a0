"""The page, as a Space of Hugging Face's hub, which shows it in a frame of its own page."""

from retina.web.security import HEADERS
from retina.web.server import launch

POLICY = "Content-Security-Policy"

if __name__ == "__main__":
    HEADERS[POLICY] = HEADERS[POLICY].replace(
        "frame-ancestors 'none'", "frame-ancestors https://huggingface.co"
    )
    launch(host="0.0.0.0", insecure=True)
