"""Programs that offer tools to models. Each stands alone, and none is imported."""
