"""Reading photographs, from a file to the square that the network sees."""
