"""What runs, ran and waits in a deployed application."""
