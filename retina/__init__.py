"""Grading of diabetic retinopathy, 0 to 4, from colour fundus photographs."""
