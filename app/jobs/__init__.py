"""Long work in separate processes."""
