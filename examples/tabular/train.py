"""Trains a classifier of iris flowers and writes flowers.onnx, as skl2onnx exports it, and flowers.csv with rows that it has not seen.

pip install scikit-learn==1.9.1 skl2onnx==1.20.0; the data set comes with scikit-learn.
"""

from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

here = Path(__file__).parent
iris = load_iris()
species = np.array([str(name) for name in iris.target_names])[iris.target]
rows = iris.data.astype(np.float32)
seen, unseen, known, right = train_test_split(rows, species, test_size=30, random_state=7, stratify=species)
model = make_pipeline(StandardScaler(), LogisticRegression()).fit(seen, known)
(here / "flowers.onnx").write_bytes(to_onnx(model, seen[:1]).SerializeToString())

names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
lines = [",".join([*names, "species"])]
lines += [",".join([*(f"{value:g}" for value in row), label]) for row, label in zip(unseen, right)]
(here / "flowers.csv").write_text("\n".join(lines) + "\n")
print("medians", dict(zip(names, np.median(seen, axis=0).tolist())))
print("right", int((model.predict(unseen) == right).sum()), "of", len(right))
