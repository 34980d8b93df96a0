"""What makes the numbers that the package ships."""
