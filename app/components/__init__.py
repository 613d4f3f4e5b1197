"""What the screens of the app share."""
