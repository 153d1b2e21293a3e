"""The models, their layers and the terms of their objective."""
