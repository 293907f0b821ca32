"""Classifiers of a table of features, each person answered for by what the others show."""

from typing import Any

import numpy as np
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Array = np.ndarray[Any, np.dtype[Any]]
PENALTIES = 10.0 ** np.arange(-1, 6)


def ridge_person_left_out(features: Array, labels: Array, people: Array) -> Array:
    """Whether each video (N,) is classified rightly by ridge regression on the videos of all other people.

    The penalty is the one with which these people, left out in turn in the same way, are classified best.
    """
    hits = np.zeros(len(labels), bool)
    model = make_pipeline(StandardScaler(), RidgeClassifier())
    for train, test in LeaveOneGroupOut().split(features, labels, people):
        search = GridSearchCV(model, {"ridgeclassifier__alpha": PENALTIES}, cv=LeaveOneGroupOut())
        search.fit(features[train], labels[train], groups=people[train])
        hits[test] = search.predict(features[test]) == labels[test]
    return hits


def nearest_person_left_out(features: Array, labels: Array, people: Array) -> Array:
    """Whether the most similar video (cosine) of another person shows the same action, for each (N,)."""
    nearest = KNeighborsClassifier(1, metric="cosine")
    return cross_val_predict(nearest, features, labels, groups=people, cv=LeaveOneGroupOut()) == labels
