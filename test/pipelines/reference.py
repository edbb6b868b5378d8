"""What Pillow, librosa, NumPy, scikit-learn and tokenizers make of real files: reference.py FOLDER writes cases.json, the files and the results.

The pictures are those that scikit-learn ships, the recordings those of SciPy's tests and one that is made here, the tables
those of scikit-learn, and the texts their descriptions. The tokenizers are trained here, on these.
"""

import json
import sys
from pathlib import Path

import librosa
import numpy as np
import scipy.io.wavfile
import sklearn.datasets
from PIL import Image
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

out = Path(sys.argv[1])
cases = []


def case(name, kind, data, steps, expected):
    """`kind`: pictures are compared as 8-bit values, the others relative to the largest number."""
    at = len(cases)
    (out / f"{at}.in").write_bytes(data)
    np.save(out / f"{at}.npy", np.ascontiguousarray(expected))
    cases.append({"name": name, "kind": kind, "steps": steps, "input": f"{at}.in", "expected": f"{at}.npy"})


def pictures():
    folder = Path(sklearn.datasets.__file__).parent / "images"
    files = {name: (folder / name).read_bytes() for name in ("china.jpg", "flower.jpg")}
    china = Image.open(folder / "china.jpg")
    for name, options in {
        "china.png": {},
        "china-progressive.jpg": {"progressive": True, "quality": 85},
        "china-444.jpg": {"subsampling": 0, "quality": 95},
        "china-grey.jpg": {"quality": 90},
        "china-palette.png": {},
        "china-alpha.png": {},
    }.items():
        picture = china.convert("L") if "grey" in name else china
        picture = picture.quantize(64) if "palette" in name else picture
        if "alpha" in name:
            picture = picture.copy()
            picture.putalpha(128)
        picture.save(out / name, **options)
        files[name] = (out / name).read_bytes()
    for name, data in files.items():
        (out / "file").write_bytes(data)
        for mode in ("RGB", "L"):
            picture = Image.open(out / "file").convert(mode)
            decode = {"decode-image": {"mode": mode}}
            case(f"{name} as {mode}", "picture", data, [decode], np.asarray(picture))
            # Just above what a reduction by 8, by 4 and by 2 makes of 640 × 427, and one that reduces nothing.
            for width, height in ((80, 53), (90, 60), (300, 200), (600, 400)) if name.endswith("jpg") else ():
                draft = Image.open(out / "file")
                draft.draft(mode, (width, height))
                step = {"decode-image": {"mode": mode, "draft": {"width": width, "height": height}}}
                label = f"{name} as {mode}, draft for {width} × {height}"
                case(label, "picture", data, [step], np.asarray(draft.convert(mode)))
    for name in ("china.jpg", "flower.jpg"):
        picture = Image.open(folder / name).convert("RGB")
        for resampling in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"):
            for width, height in ((224, 224), (28, 31), (900, 700)) if name == "china.jpg" else ((100, 90),):
                resized = picture.resize((width, height), getattr(Image.Resampling, resampling.upper()))
                step = {"resize": {"width": width, "height": height, "resampling": resampling}}
                label = f"{name} {resampling} to {width} × {height}"
                case(label, "picture", files[name], [{"decode-image": {}}, step], np.asarray(resized))
        # torchvision: Resize(256), CenterCrop(224), ToTensor, Normalize; its Resize of a PIL image is Pillow's.
        short = min(picture.size)
        size = tuple(int(256 * edge / short) for edge in picture.size)
        resized = picture.resize(size, Image.Resampling.BILINEAR)
        left, top = (int(round((edge - 224) / 2.0)) for edge in size)
        cut = np.asarray(resized.crop((left, top, left + 224, top + 224)), dtype=np.float32) / np.float32(255)
        mean = np.array([0.485, 0.456, 0.406], dtype=np.float32)
        std = np.array([0.229, 0.224, 0.225], dtype=np.float32)
        tensor = ((cut - mean) / std).transpose(2, 0, 1)[None]
        steps = [
            {"decode-image": {}},
            {"resize": {"shorter": 256, "resampling": "bilinear"}},
            {"crop": {"width": 224, "height": 224}},
            {"normalise": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}},
            {"layout": {"order": "NCHW"}},
        ]
        case(f"{name} as ImageNet models take it", "tensor", files[name], steps, tensor)


def sound():
    tests = Path(scipy.io.__file__).parent / "tests/data"
    t = np.arange(3 * 16_000) / 16_000
    chirp = np.sin(2 * np.pi * (200 * t + 900 * t**2)) * 0.4 + np.random.default_rng(1).normal(0, 0.02, t.size)
    scipy.io.wavfile.write(out / "chirp.wav", 16_000, np.round(chirp * 32_000).astype(np.int16))
    names = [
        "test-44100Hz-le-1ch-4bytes.wav",
        "test-8000Hz-le-2ch-1byteu.wav",
        "test-44100Hz-2ch-32bit-float-le.wav",
        "test-8000Hz-le-3ch-5S-24bit.wav",
    ]
    for file in [out / "chirp.wav", *(tests / name for name in names)]:
        signal, rate = librosa.load(file, sr=None, mono=True)
        decode = {"decode-wav": {"sampleRate": rate}}
        data = file.read_bytes()
        case(f"{file.name}: samples", "sound", data, [decode], signal)
        if signal.size < 1_024:
            continue
        fixed = librosa.util.fix_length(signal, size=1_024)
        magnitudes = np.abs(np.fft.rfft(fixed.astype(np.float64)))[None]
        case(f"{file.name}: fft", "sound", data, [decode, {"fix-length": {"samples": 1_024}}, {"fft": {}}], magnitudes)
        for size, hop, bands, htk_free in ((512, 160, 40, {}), (2_048, 512, 128, {"fmin": 50.0, "fmax": 3_500.0})):
            samples = max(signal.size, 2 * size)
            longer = librosa.util.fix_length(signal, size=samples)
            powers = librosa.feature.melspectrogram(y=longer, sr=rate, n_fft=size, hop_length=hop, n_mels=bands, **htk_free)
            ends = {"fromHz": 50.0, "toHz": 3_500.0} if htk_free else {}
            mel = {"size": size, "hop": hop, "bands": bands, **ends}
            before = [decode, {"fix-length": {"samples": samples}}]
            case(f"{file.name}: mel {bands}", "sound", data, [*before, {"mel": mel}], powers[None])
            decibels = librosa.power_to_db(powers, ref=1.0, top_db=80.0)
            case(f"{file.name}: mel {bands} in dB", "sound", data, [*before, {"mel": {**mel, "decibels": 80}}], decibels[None])


def tables():
    for name, load in (("wine", sklearn.datasets.load_wine), ("breast cancer", sklearn.datasets.load_breast_cancer)):
        bunch = load()
        names = [str(feature).replace(" ", "_") for feature in bunch.feature_names]
        values = bunch.data.copy()
        values[::7, 0] = np.nan
        lines = [",".join(names), *(",".join("" if np.isnan(v) else repr(float(v)) for v in row) for row in values)]
        data = "\n".join(lines).encode()
        decode = {"decode-csv": {"columns": {feature: "number" for feature in names}}}
        imputer = SimpleImputer(strategy="median").fit(values)
        filled = imputer.transform(values)
        scaler = StandardScaler().fit(filled)
        fill = {"missing": {"how": "fill", "values": dict(zip(names, map(float, imputer.statistics_)))}}
        moments = {n: {"mean": float(m), "scale": float(s)} for n, m, s in zip(names, scaler.mean_, scaler.scale_)}
        columns = {"columns": {"names": names, "datatype": "FP64"}}
        case(f"{name}: missing numbers filled", "table", data, [decode, fill, columns], filled)
        standardise = {"standardise": {"columns": moments}}
        case(f"{name}: standardised", "table", data, [decode, fill, standardise, columns], scaler.transform(filled))
    iris = sklearn.datasets.load_iris()
    species = [str(iris.target_names[target]) for target in iris.target]
    data = "\n".join(["species", *species]).encode()
    decode = {"decode-csv": {"columns": {"species": "text"}}}
    column = np.array(species)[:, None]
    hot = OneHotEncoder(sparse_output=False).fit(column)
    categories = [str(category) for category in hot.categories_[0]]
    names = [f"species={category}" for category in categories]
    steps = [decode, {"one-hot": {"column": "species", "categories": categories}}, {"columns": {"names": names, "datatype": "FP64"}}]
    case("iris: one-hot", "table", data, steps, hot.transform(column))
    ordinal = OrdinalEncoder().fit(column)
    words = {"vocabulary": {"column": "species", "words": categories}}
    steps = [decode, words, {"columns": {"names": ["species"], "datatype": "FP64"}}]
    case("iris: vocabulary", "table", data, steps, ordinal.transform(column))


def windows():
    bunch = sklearn.datasets.load_breast_cancer()
    radius, texture = bunch.data[:, 0], bunch.data[:, 1]
    rows = [{"cell": {"radius": float(r)}, "texture": float(t)} for r, t in zip(radius, texture)]
    data = json.dumps({"rows": rows}).encode()
    columns = {"radius": {"path": "cell.radius", "type": "number"}, "texture": {"path": "texture", "type": "number"}}
    decode = {"decode-json": {"rows": "rows", "columns": columns}}
    both = {"columns": {"names": ["radius", "texture"], "datatype": "FP64"}}
    case("breast cancer: columns by JSON path", "table", data, [decode, both], np.stack([radius, texture], axis=1))
    clamp = {"clamp": {"columns": {"radius": {"min": 10.0, "max": 15.5}, "texture": {"max": 20.0}}}}
    clipped = np.stack([np.clip(radius, 10.0, 15.5), np.clip(texture, None, 20.0)], axis=1)
    case("breast cancer: clamped", "table", data, [decode, clamp, both], clipped)
    statistics = {
        "mean": np.mean,
        "min": np.min,
        "max": np.max,
        "sum": np.sum,
        "std": np.std,
        "last": lambda window: window[-1],
        "p90": lambda window: np.percentile(window, 90),
        "p12.5": lambda window: np.percentile(window, 12.5),
    }
    for size, step in ((64, 64), (50, 7), (1, 1)):
        made = {
            name: {"of": "radius", "how": "percentile", "percentile": float(name[1:])} if name[0] == "p" else {"of": "radius", "how": name}
            for name in statistics
        }
        starts = range(0, len(radius) - size + 1, step)
        expected = np.array([[of(radius[start : start + size]) for of in statistics.values()] for start in starts])
        steps = [decode, {"aggregate": {"rows": size, "step": step, "columns": made}}]
        steps.append({"columns": {"names": list(statistics), "datatype": "FP64"}})
        case(f"breast cancer: windows of {size} rows, every {step}", "table", data, steps, expected)


def tokenizers_of(corpus):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    bert = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    bert.normalizer = normalizers.BertNormalizer(lowercase=True)
    bert.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    bert.train_from_iterator(corpus, trainers.WordPieceTrainer(vocab_size=2_000, special_tokens=special))
    ends = [(token, bert.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    bert.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    gpt = Tokenizer(models.BPE())
    gpt.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    gpt.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=2_000, special_tokens=["<|end|>"], initial_alphabet=alphabet))
    gpt.decoder = decoders.ByteLevel()
    t5 = Tokenizer(models.Unigram())
    t5.normalizer = normalizers.NFKC()
    t5.pre_tokenizer = pre_tokenizers.Metaspace()
    t5.train_from_iterator(
        corpus, trainers.UnigramTrainer(vocab_size=1_000, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>")
    )
    t5.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", t5.token_to_id("</s>"))])
    return {"WordPiece": bert, "byte-level BPE": gpt, "Unigram": t5}


def texts():
    described = [load().DESCR for load in (sklearn.datasets.load_wine, sklearn.datasets.load_iris, sklearn.datasets.load_diabetes)]
    corpus = [line for text in described for line in text.splitlines() if line.strip()]
    samples = {
        "a line": corpus[10],
        "a description": described[0],
        "accents and signs": "Élan vital – naïve façade, 5 µm × 3 €… déjà vu?  Two  spaces.",
        "Chinese and emoji": "模型 runs 在边缘设备上 🚀 done",
        "nothing": "",
    }
    for name, tokenizer in tokenizers_of(corpus).items():
        folder = out / name.replace(" ", "-")
        folder.mkdir()
        tokenizer.save(str(folder / "tokenizer.json"))
        for label, text in samples.items():
            for most in (16, 4_096):
                tokenizer.enable_truncation(max_length=most)
                tokenizer.enable_padding(length=most, pad_id=0)
                made = tokenizer.encode(text)
                step = {"file": f"{folder.name}/tokenizer.json", "maxTokens": most, "longer": "cut", "fill": "maxTokens"}
                expected = np.array([made.ids, made.attention_mask, made.type_ids], dtype=np.int64)
                kind = "ties" if name == "Unigram" else "text"
                case(f"{name}, {label} as {most} tokens", kind, text.encode(), [{"tokenise": step}], expected)


pictures()
sound()
tables()
windows()
texts()
(out / "cases.json").write_text(json.dumps(cases))
