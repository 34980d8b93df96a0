"""The experiment that this project reproduces: what the lab's report says."""

# Table 1 of it: accuracy at the best epoch on the test photographs.
LAB_ACCURACY = {
    ("resnet18", "scratch"): 0.7312,
    ("resnet18", "pretrained"): 0.8152,
    ("resnet50", "scratch"): 0.7224,
    ("resnet50", "pretrained"): 0.8260,
}
LAB_BASELINE = 0.7335
"""What always answering No DR scores on them."""

LAB_DATA, LAB_SIZE = "EyePACS", 512
LAB_TRAINED_ON, LAB_TESTED_ON = 28_099, 7_025
