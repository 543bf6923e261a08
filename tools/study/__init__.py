"""The machinery of this project's own experiments; no part of the package."""
