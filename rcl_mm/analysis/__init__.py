"""Figures and reports of what a run did, and a look at the data before it."""
