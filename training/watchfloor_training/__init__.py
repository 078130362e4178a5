"""Training and honest evaluation of Watchfloor's endpoint graph models.

This package reads only what `watchfloor model features` wrote. It never parses
events and never computes a node or edge feature, so that training and live
scoring cannot drift apart.
"""

__version__ = "0.1.0"
