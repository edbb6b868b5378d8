"""Trains a regressor on scikit-learn's diabetes data and writes diabetes.onnx.

    pip install scikit-learn skl2onnx
    python export_sklearn.py
"""

from skl2onnx import to_onnx
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor

features, target = load_diabetes(return_X_y=True)
features = features.astype("float32")
model = RandomForestRegressor(n_estimators=50, max_depth=6, random_state=0).fit(features, target)

with open("diabetes.onnx", "wb") as file:
    file.write(to_onnx(model, features[:1]).SerializeToString())

print("local prediction:", model.predict(features[:1]))
