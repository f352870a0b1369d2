"""The reference of `bench face`: the same models as the edge, with onnxruntime and OpenCV, one thread each.

    python face.py DETECTOR.onnx EMBEDDER.onnx

It answers each line of its input with one line of JSON: `look FILE` with the faces of a picture (box, landmarks, embedding),
`time FILE` with the milliseconds, by the clock and of the processor, from the file to the embeddings of its faces.
"""

import json
import sys
import time

import cv2
import numpy as np
import onnxruntime

SCORE_MIN, IOU_MAX = 0.6, 0.3
STRIDES = (8, 16, 32)
# Where ArcFace-trained embedders expect eyes, nose and mouth in a crop of 112x112.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def network(file):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


class Reference:
    def __init__(self, detector, embedder):
        self.detector, self.embedder = network(detector), network(embedder)
        self.outputs = [output.name for output in self.detector.get_outputs()]
        self.inputs = [session.get_inputs()[0].name for session in (self.detector, self.embedder)]

    def faces(self, file):
        """(score, box, landmarks, embedding) of each face of a JPEG file, the surest first."""
        picture = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR)
        return [(*face, self.embedding(picture, face[2])) for face in self.detect(picture)]

    def detect(self, picture):
        height, width = (-(-side // 32) * 32 for side in picture.shape[:2])
        canvas = np.zeros((1, 3, height, width), np.float32)
        canvas[0, :, : picture.shape[0], : picture.shape[1]] = picture.transpose(2, 0, 1)
        answers = dict(zip(self.outputs, self.detector.run(None, {self.inputs[0]: canvas})))
        scores, boxes, landmarks = [], [], []
        for stride in STRIDES:
            kind = lambda name, each: answers[f"{name}_{stride}"].reshape(-1, each)
            score = np.sqrt(np.clip(kind("cls", 1), 0, 1) * np.clip(kind("obj", 1), 0, 1))[:, 0]
            cells = np.nonzero(score >= SCORE_MIN)[0]
            places = np.stack([cells % (width // stride), cells // (width // stride)], axis=1)
            bounds = kind("bbox", 4)[cells]
            centres, sizes = (bounds[:, :2] + places) * stride, np.exp(bounds[:, 2:]) * stride
            scores.append(score[cells])
            boxes.append(np.hstack([centres - sizes / 2, sizes]))
            landmarks.append((kind("kps", 10)[cells].reshape(-1, 5, 2) + places[:, None]) * stride)
        scores, boxes, landmarks = (np.concatenate(parts) for parts in (scores, boxes, landmarks))
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), SCORE_MIN, IOU_MAX)
        return [(float(scores[n]), boxes[n], landmarks[n]) for n in np.array(kept).reshape(-1)]

    def embedding(self, picture, landmarks):
        crop = cv2.warpAffine(picture, umeyama(landmarks), (112, 112))
        planes = cv2.cvtColor(crop, cv2.COLOR_BGR2RGB).transpose(2, 0, 1)[None].astype(np.float32)
        vector = self.embedder.run(None, {self.inputs[1]: planes})[0][0]
        return vector / np.linalg.norm(vector)


def umeyama(landmarks):
    """The similarity, as a 2x3 matrix, that brings landmarks nearest to the template in least squares."""
    source, target = landmarks - landmarks.mean(0), TEMPLATE - TEMPLATE.mean(0)
    spread = (source**2).sum()
    a = (source * target).sum() / spread
    b = (source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum() / spread
    turn = np.array([[a, -b], [b, a]])
    return np.hstack([turn, (TEMPLATE.mean(0) - turn @ landmarks.mean(0))[:, None]])


def main():
    cv2.setNumThreads(1)
    reference = Reference(*sys.argv[1:3])
    for line in sys.stdin:
        verb, file = line.rstrip("\n").split(" ", 1)
        began, worked = time.perf_counter(), time.process_time()
        faces = reference.faces(file)
        took_ms = [(time.perf_counter() - began) * 1e3, (time.process_time() - worked) * 1e3]
        found = [
            {"box": box.tolist(), "landmarks": landmarks.tolist(), "embedding": embedding.tolist()}
            for _, box, landmarks, embedding in faces
        ]
        print(json.dumps(found if verb == "look" else took_ms), flush=True)


if __name__ == "__main__":
    main()
