"""Small drawn folders in the layout in which each public data set is handed out."""

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.datasets.pictures import write_pictures, write_table


def write_eyepacs(folder: Path) -> None:
    write_pictures(folder / "train", ["90010_left.jpeg", "90010_right.jpeg", "90013_left.jpeg"])
    write_table(
        folder / "trainLabels.csv", "image,level\n90010_left,0\n90010_right,2\n90013_left,4\n"
    )


def write_aptos(folder: Path) -> None:
    write_pictures(folder / "train_images", ["0a1b.png", "0c2d.png", "0e3f.png"])
    write_table(folder / "train.csv", "id_code,diagnosis\n0a1b,0\n0c2d,2\n0e3f,4\n")


def write_idrid(folder: Path) -> None:
    sets = ("1. Original Images/a. Training Set", "1. Original Images/b. Testing Set")
    grading, localisation = folder / "B. Disease Grading", folder / "C. Localization"
    # Both sets count from 1, and the photographs are handed out again with other labels.
    write_pictures(grading / sets[0], ["IDRiD_001.jpg", "IDRiD_002.jpg"])
    write_pictures(grading / sets[1], ["IDRiD_001.jpg"])
    write_pictures(localisation / sets[0], ["IDRiD_001.jpg", "IDRiD_002.jpg"])
    write_pictures(localisation / sets[1], ["IDRiD_001.jpg"])
    header = "Image name,Retinopathy grade,Risk of macular edema ,,,\n"
    tables = grading / "2. Groundtruths"
    write_table(
        tables / "a. IDRiD_Disease Grading_Training Labels.csv",
        f"{header}IDRiD_001,0,0,,,\nIDRiD_002,2,1,,,\n",
    )
    write_table(
        tables / "b. IDRiD_Disease Grading_Testing Labels.csv", f"{header}IDRiD_001,4,2,,,\n"
    )


def write_messidor2(folder: Path, pairs: bool = True) -> None:
    names = ["20051020_1_0100_PP.png", "20051020_2_0100_PP.png", "IM003.JPG", "IM004.JPG"]
    write_pictures(folder / "IMAGES", names)
    write_table(
        folder / "messidor_data.csv",
        "image_id,adjudicated_dr_grade,adjudicated_dme,adjudicated_gradable\n"
        "20051020_1_0100_PP.png,0,0,1\n20051020_2_0100_PP.png,2,0,1\n"
        "IM003.jpg,4,1,1\nIM004.jpg,,,0\n",
    )
    if pairs:
        write_table(
            folder / "messidor-2.csv",
            "left;right\n20051020_1_0100_PP.png;20051020_2_0100_PP.png\nIM003.JPG;IM004.JPG\n",
        )


def write_ddr(folder: Path) -> None:
    grading = folder / "DR_grading"
    names = ["train/007-1-000.jpg", "train/007-2-000.jpg", "valid/007-3-000.jpg"]
    write_pictures(grading, [*names, "test/007-4-000.jpg"])
    # The same photograph again, of which lesions were drawn, and its mask.
    segmentation = folder / "lesion_segmentation/train"
    write_pictures(segmentation / "image", ["007-1-000.jpg"])
    write_pictures(segmentation / "label/EX", ["007-1-000.tif"])
    write_table(grading / "train.txt", "007-1-000.jpg 0\n007-2-000.jpg 5\n")
    write_table(grading / "valid.txt", "007-3-000.jpg 2\n")
    write_table(grading / "test.txt", "007-4-000.jpg 4\n")


def write_ddr_of_kaggle(folder: Path) -> None:
    write_pictures(folder / "DR_grading/DR_grading", ["007-1-000.jpg", "007-3-000.jpg", "3.jpg"])
    write_table(
        folder / "DR_grading.csv", "id_code,diagnosis\n007-1-000.jpg,0\n007-3-000.jpg,2\n3.jpg,4\n"
    )


def write_class_folders(folder: Path) -> None:
    write_pictures(folder, ["0/a.jpg", "Moderate/b.jpg", "4/c.jpg"])


def write_plain(folder: Path) -> None:
    write_pictures(folder, ["a.jpg", "b.jpg", "c.jpg"])
    write_table(folder / "labels.csv", "image_id,grade\na,0\nb,2\nc,4\n")


# Each has one photograph of grade 0, one of grade 2 and one of grade 4.
WRITERS: Mapping[str, Callable[[Path], None]] = {
    "EyePACS": write_eyepacs,
    "APTOS": write_aptos,
    "IDRiD": write_idrid,
    "Messidor-2": write_messidor2,
    "DDR": write_ddr,
    "DDR, Kaggle's": write_ddr_of_kaggle,
    "class folders": write_class_folders,
    "plain CSV": write_plain,
}
