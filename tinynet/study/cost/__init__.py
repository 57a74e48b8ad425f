"""What each step costs in arithmetic, memory and time."""
