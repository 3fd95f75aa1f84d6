"""unictk: experiments on unified multimodal models, one network that reads and draws images."""

__version__ = "0.1.0"
