"""Grading photographs, one or many."""
