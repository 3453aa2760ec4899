"""Why artifacts differ. An explanation can be wrong or missing without the verdict being wrong."""
