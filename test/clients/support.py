"""What the scripts share: where to ask, with which key, and one line for each thing that was tried."""
import sys

import numpy as np

HTTP, GRPC, KEY, PLACE = sys.argv[1:5]
# Copied for each call: some clients write the length of one request into the headers that they were given.
HEADERS = {"authorization": "Bearer " + KEY} if KEY else {}
FLOATS = np.array([[1.0, -2.5], [3.25, 1e-7]], dtype=np.float32)
INTEGERS = np.array([[9007199254740993, -(2**63)]], dtype=np.int64)
TEXTS = np.array(["é", "", "日本"], dtype=np.object_)


def check(name, is_right):
    if not is_right:
        raise SystemExit("wrong: " + name)
    print("ok " + name, flush=True)


def same(name, found, sent):
    if sent.dtype == np.object_:
        found = np.array([t.decode() if isinstance(t, bytes) else t for t in found.flatten()], dtype=np.object_)
        sent = sent.flatten()
    check(name, found is not None and np.array_equal(found, sent))


def refused(name, call, words):
    try:
        call()
    except Exception as error:  # each client has exceptions of its own
        check(name, all(word in str(error) for word in words) or print(str(error)))
    else:
        raise SystemExit("not refused: " + name)
