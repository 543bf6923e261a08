"""What a test keeps of one feature space, for the report."""

from dataclasses import dataclass

import numpy as np


@dataclass
class FeatureSpace:
    """What a test keeps of one feature space.

    Attributes:
        class_means (np.ndarray): Mean of each class's unit-norm features, shape (C, D), float32,
            or float16 if that is large.
        compactness (np.ndarray): Mean cosine to the class mean, shape (C, ), NaN if unknown.
        angle_min (np.ndarray): Smallest angle to another class in degrees, shape (C, ).
        map_features (np.ndarray): Features of the samples on the 2-D map, shape (M, D), float16.
        map_positions (np.ndarray): Their positions in the data set, shape (M, ).
    """

    class_means: np.ndarray
    compactness: np.ndarray
    angle_min: np.ndarray
    map_features: np.ndarray
    map_positions: np.ndarray
