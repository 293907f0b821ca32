"""The demo: the background bias seen, and seen to go, on videos made on the spot.

Its networks are pretrained as by ``fame run`` and evaluated by ``fame eval`` (``cli/demo.py``); here are the
videos, the recipe and the page. Its folder shows a newcomer how WORK and RUN are laid out.
"""
