"""The datasets of the papers: where each is, its size, its terms, its lists, and how it lies on disk.

Figures and terms are those of a dataset's page, paper or lists; what they do not state is "not stated".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fame_cli.data.sources import SourceName
from fame_cli.errors import ConfigurationError
from fame_cli.option import did_you_mean, printable

NOT_STATED = "not stated"
NO_TERMS_FOUND = "none found: read its page before you use it"


@dataclass(frozen=True)
class Dataset:
    """What is known of a dataset without having it."""

    name: str
    title: str
    classes: int
    videos: str
    size: str
    splits: str
    page: str
    terms: str
    files: Mapping[str, str]
    """Address by the name of a file to download; empty where the page hands it out after a registration."""
    unpack: str
    """How its archives become the layout."""
    layout: tuple[str, ...]
    lists: tuple[str, ...]
    """Official lists that have to be there, each with the other names it is known by after a ``|``.

    ``{split}`` stands for the number of a split, ``{class_name}`` for each of ``class_names``.
    """
    source: SourceName
    """What ``fame extract`` reads it as; "csv" where ``fame datasets annotations`` prints its list."""
    paper: str
    notes: tuple[str, ...] = ()
    numbered_splits: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()
    """Only where the names of its lists or archives are made of them."""

    def list_names(self, split: int | None) -> list[str]:
        """The lists of a split, each with the other names it is known by after a ``|``."""
        return [
            name.format(split=split, class_name=class_name)
            for name in self.lists
            for class_name in (self.class_names if "{class_name}" in name else ("",))
        ]

    @property
    def all_lists(self) -> list[str]:
        """The lists of all splits, in words."""
        return [
            spell_out(name) for split in self.numbered_splits or (None,) for name in self.list_names(split)
        ]


def spell_out(name: str) -> str:
    """The names of a list in words; patterns are left to those who have such files."""
    return " or ".join(choice for choice in name.split("|") if "*" not in choice)


HMDB51_CLASSES = """
    brush_hair cartwheel catch chew clap climb climb_stairs dive draw_sword dribble drink eat fall_floor
    fencing flic_flac golf handstand hit hug jump kick kick_ball kiss laugh pick pour pullup punch push pushup
    ride_bike ride_horse run shake_hands shoot_ball shoot_bow shoot_gun sit situp smile smoke somersault stand
    swing_baseball sword sword_exercise talk throw turn walk wave
"""
KTH_CLASSES = "boxing handclapping handwaving jogging running walking"
WEIZMANN_CLASSES = "bend jack jump pjump run side skip walk wave1 wave2"

UCF101 = "https://www.crcv.ucf.edu/data/UCF101"
HMDB51 = "http://serre-lab.clps.brown.edu/wp-content/uploads/2013/10"
KINETICS = "https://s3.amazonaws.com/kinetics/400"
DIVING48 = "http://www.svcl.ucsd.edu/projects/resound"
KTH = "https://www.csc.kth.se/cvap/actions"
WEIZMANN = "https://www.wisdom.weizmann.ac.il/~vision"

ALL = (
    Dataset(
        name="ucf101",
        title="UCF101",
        classes=101,
        videos="13,320",
        size="about 7 GB",
        splits="three; 9,537 train and 3,783 test videos in split 1; no group (gNN) is on both sides",
        page=f"{UCF101}.php",
        terms=f"{NOT_STATED} (the page says © 2011 CRCV and no more); the videos are from YouTube",
        files={
            name: f"{UCF101}/{name}" for name in ("UCF101.rar", "UCF101TrainTestSplits-RecognitionTask.zip")
        },
        unpack="unrar x UCF101.rar; unzip UCF101TrainTestSplits-RecognitionTask.zip",
        layout=(
            "UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi …",
            "ucfTrainTestlist/classInd.txt, trainlist01.txt, testlist01.txt …",
        ),
        lists=("trainlist{split:02d}.txt", "testlist{split:02d}.txt"),
        source="ucf101",
        paper="Soomro, Zamir and Shah, CRCV-TR-12-01, 2012",
        numbered_splits=(1, 2, 3),
    ),
    Dataset(
        name="hmdb51",
        title="HMDB51",
        classes=51,
        videos="6,766 in the lists (6,849 by its page)",
        size="about 2 GB",
        splits="three; 70 train and 30 test videos of each class, the others unused",
        page="https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/",
        terms="Creative Commons Attribution 4.0",
        files={
            "hmdb51_org.rar": f"{HMDB51}/hmdb51_org.rar",
            "test_train_splits.rar": f"{HMDB51}/test_train_splits.rar",
        },
        unpack="unrar x hmdb51_org.rar, then unrar x for each archive in it; unrar x test_train_splits.rar",
        layout=(
            "hmdb51/brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0.avi …",
            "testTrainMulti_7030_splits/brush_hair_test_split1.txt …",
        ),
        lists=("{class_name}_test_split{split}.txt",),
        source="hmdb51",
        paper="Kuehne, Jhuang, Garrote, Poggio and Serre, ICCV 2011",
        notes=("hmdb51_org.rar holds an archive for each class.",),
        numbered_splits=(1, 2, 3),
        class_names=tuple(HMDB51_CLASSES.split()),
    ),
    Dataset(
        name="kinetics-400",
        title="Kinetics-400",
        classes=400,
        videos="306,245 published; copies have about 240,000 train and 20,000 val videos",
        size="135 GB to about 460 GB, by the copy",
        splits="train, val and test",
        page="https://github.com/cvdfoundation/kinetics-dataset",
        terms="Creative Commons Attribution 4.0 (Google) for the lists; videos belong to YouTube's users",
        files={
            **{f"{split}.csv": f"{KINETICS}/annotations/{split}.csv" for split in ("train", "val", "test")},
            "k400_train_path.txt": f"{KINETICS}/train/k400_train_path.txt",
            "k400_val_path.txt": f"{KINETICS}/val/k400_val_path.txt",
        },
        unpack="tar -xf for each archive, in the folder of its split (k400_…_path.txt have their addresses)",
        layout=(
            "k400/train/abseiling/0347ZoDXyP0_000095_000105.mp4 … (or without either folder)",
            "annotations/train.csv, val.csv",
        ),
        lists=("train.csv|*_train.csv", "val.csv|validate.csv|*_val.csv|*_validate.csv"),
        source="kinetics",
        paper="Kay et al., arXiv:1705.06950, 2017",
        notes=(
            "Videos vanish from YouTube and every copy lacks others: report how many you have.",
            "test.csv is compared as well where it is there.",
        ),
    ),
    Dataset(
        name="mini-kinetics-200",
        title="Mini-Kinetics-200",
        classes=200,
        videos="80,000 train and 5,000 val videos of Kinetics-400",
        size=NOT_STATED,
        splits="train (400 of each class) and val (25 of each class)",
        page="https://github.com/s9xie/Mini-Kinetics-200",
        terms=f"{NOT_STATED} for the lists; the videos are those of Kinetics-400",
        files={"train_ytid_list.txt": "", "val_ytid_list.txt": ""},
        unpack="get the videos of Kinetics-400",
        layout=(
            "k400/train/abseiling/0347ZoDXyP0_000095_000105.mp4 … (class folders are needed)",
            "train_ytid_list.txt, val_ytid_list.txt",
        ),
        lists=("train_ytid_list.txt|*_train_ytid_list.txt", "val_ytid_list.txt|*_val_ytid_list.txt"),
        source="csv",
        paper="Xie, Sun, Huang, Tu and Murphy, ECCV 2018",
        notes=("The lists hold YouTube ids alone: the class of a video is that of its folder.",),
    ),
    Dataset(
        name="diving48",
        title="Diving48 (V2)",
        classes=48,
        videos="16,997 in the lists of V2 (18,404 in the archive)",
        size="about 10 GB",
        splits="15,027 train and 1,970 test videos; 47 of the 48 classes are used",
        page=f"{DIVING48}/dataset.html",
        terms=NO_TERMS_FOUND,
        files={
            name: f"{DIVING48}/{name}"
            for name in (
                "Diving48_rgb.tar.gz",
                "Diving48_V2_train.json",
                "Diving48_V2_test.json",
                "Diving48_vocab.json",
            )
        },
        unpack="tar -xf Diving48_rgb.tar.gz",
        layout=(
            "rgb/-mmq0PT-u8k_00155.mp4 …",
            "Diving48_V2_train.json, Diving48_V2_test.json, Diving48_vocab.json",
        ),
        lists=("Diving48_V2_train.json", "Diving48_V2_test.json"),
        source="diving48",
        paper="Li, Li and Vasconcelos, ECCV 2018",
        notes=(
            "Diving48_train.json and Diving48_test.json are the lists of V1, which are not read: many of "
            "their labels are wrong.",
        ),
    ),
    Dataset(
        name="something-something-v2",
        title="Something-Something V2",
        classes=174,
        videos="220,847",
        size="19.4 GB",
        splits="168,913 train, 24,777 validation and 27,157 test videos; those of test have no labels",
        page="https://www.qualcomm.com/developer/software/something-something-v-2-dataset",
        terms="a research licence of Qualcomm, accepted before the download",
        files={
            "20bn-something-something-v2-00 …": "",
            "20bn-something-something_download-package-labels.zip": "",
        },
        unpack="unzip for each .zip, then cat 20bn-something-something-v2-?? | tar -xz",
        layout=(
            "20bn-something-something-v2/1.webm …",
            "labels/train.json, validation.json (or something-something-v2-train.json …)",
        ),
        lists=(
            "train.json|something-something-v2-train.json",
            "validation.json|something-something-v2-validation.json",
        ),
        source="csv",
        paper="Goyal et al., ICCV 2017",
        notes=(
            "Many of its classes are told by the direction of a motion: evaluate with --flip-probability 0.",
        ),
    ),
    Dataset(
        name="kth",
        title="KTH",
        classes=6,
        videos="599 (2,391 sequences of one action each)",
        size=NOT_STATED,
        splits="by person: 8 train, 8 val and 9 test",
        page=f"{KTH}/",
        terms="publicly available for non-commercial use",
        files={f"{name}.zip": f"{KTH}/{name}.zip" for name in KTH_CLASSES.split()},
        unpack="unzip for each archive",
        layout=("person01_boxing_d1_uncomp.avi … (in any folders)",),
        lists=(),
        source="csv",
        paper="Schuldt, Laptev and Caputo, ICPR 2004",
        notes=(
            "person13_handclapping_d3 was never published, and person01_boxing_d4 ends early.",
            "A video is used whole: its sequences (00sequences.txt) are repetitions of the same action.",
        ),
        class_names=tuple(KTH_CLASSES.split()),
    ),
    Dataset(
        name="weizmann",
        title="Weizmann",
        classes=10,
        videos="93 (90 by the paper: one person runs, skips and walks twice)",
        size=NOT_STATED,
        splits="none; 9 persons, of whom one after the other is usually left out",
        page=f"{WEIZMANN}/SpaceTimeActions.html",
        terms=NO_TERMS_FOUND,
        files={
            f"{name}.zip": f"{WEIZMANN}/VideoAnalysis/Demos/SpaceTimeActions/DB/{name}.zip"
            for name in WEIZMANN_CLASSES.split()
        },
        unpack="unzip for each archive",
        layout=("daria_bend.avi … (in any folders)",),
        lists=(),
        source="csv",
        paper="Gorelick, Blank, Shechtman, Irani and Basri, PAMI 2007",
        notes=("fame extract --hold-out 0.3 makes a split that leaves out whole persons.",),
        class_names=tuple(WEIZMANN_CLASSES.split()),
    ),
)

DATASETS: Mapping[str, Dataset] = {dataset.name: dataset for dataset in ALL}


def find_dataset(name: str) -> Dataset:
    """The dataset of a name, whatever its dashes and capitals; raises ConfigurationError if there is none."""
    plain = {plain_name(known): dataset for known, dataset in DATASETS.items()}
    if dataset := plain.get(plain_name(name)):
        return dataset
    raise ConfigurationError(
        f"there is no dataset {printable(name)} in the list.",
        f"{did_you_mean(name, DATASETS)} All names: {', '.join(DATASETS)}".strip(),
    )


def plain_name(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())
