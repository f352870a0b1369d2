#!/usr/bin/env python3
"""A whole box that polls, with nothing but the standard library: docs/polling.md in a program.

    REGULARS_BOX_TOKEN=... polling_box.py https://regulars.example.org --state box.json [--ca authority.pem]

Whatever finds faces writes one line of JSON for each on its standard input, {"embedding": [...]} and, if it likes, "points".
The box answers each with a line: {"face_id": ..., "name": ..., "similarity": ...}, or {"face_id": null} for somebody new.
"""
import argparse, json, math, os, random, ssl, sys, threading, time, urllib.error, urllib.parse, urllib.request, uuid
from datetime import datetime, timezone


class Box:
    def __init__(self, url, token, file, same=0.55, ca=None):
        self.url, self.token, self.file, self.same = url.rstrip("/"), token, file, same
        self.tls, self.lock = ssl.create_default_context(cafile=ca), threading.Lock()
        self.state = {"since": "", "faces": {}, "old": [], "visits": [], "deleted": []}
        if os.path.exists(file):
            with open(file) as saved:
                self.state = json.load(saved)

    def save(self):
        """A power cut leaves the state from before or the one after, and nothing in between."""
        with open(self.file + ".new", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as new:
            json.dump(self.state, new)
            new.flush()
            os.fsync(new.fileno())
        os.replace(self.file + ".new", self.file)

    def call(self, path, body=None):
        data = None if body is None else json.dumps(body, allow_nan=False).encode()
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.tls) as answer:
                return answer.headers, json.load(answer)
        except urllib.error.HTTPError as refused:
            answer = json.load(refused) if refused.code in (401, 403, 422) else {}
            if refused.code == 422:  # Nothing of it is stored, and the answer says of each why: not to be sent again.
                return refused.headers, answer
            raise PermissionError(answer["error"]) if answer else refused

    def recognise(self, vector):
        """The face most like this one, and the cosine; nobody below the threshold."""
        def cosine(face):
            return sum(a * b for a, b in zip(vector, face["embedding"])) / (math.hypot(*vector) * math.hypot(*face["embedding"]))
        best = max(((cosine(face), face_id) for face_id, face in self.state["faces"].items()), default=(-1, None))
        return (best[1], best[0]) if best[0] >= self.same else (None, best[0])

    def see(self, vector, points=None):
        """Somebody is there: a visit is on the disk before this is answered, and stays until the website has it."""
        with self.lock:
            face_id, cosine = self.recognise(vector)
            visit = {"id": str(uuid.uuid4()), "seen_at": datetime.now(timezone.utc).isoformat(), "since": self.state["since"]}
            visit |= {"embedding": vector} if face_id is None else {"face_id": face_id, "similarity": cosine}
            self.state["visits"].append(visit | ({} if points is None else {"points": points}))
            self.save()
            return {"face_id": face_id} | ({} if face_id is None else {"name": self.state["faces"][face_id]["name"], "similarity": cosine})

    def send(self):
        """A new face is not kept: it comes back with the next poll, if it is to be known."""
        while visits := self.state["visits"][:20]:
            answers = self.call("/api/edge/visits", {"visits": visits})[1]["visits"]
            with self.lock:
                for visit, answer in zip(visits, answers):
                    if answer["status"] in ("removed", "not counted"):
                        self.state["faces"].pop(visit.get("face_id"), None)
                self.state["visits"] = self.state["visits"][len(visits):]
                self.save()

    def poll(self):
        more = "true"
        while more == "true":
            question = urllib.parse.urlencode({"format": "changes", "since": self.state["since"]})
            headers, answer = self.call(f"/api/edge/sync?{question}")
            more = headers["sync-more"]
            with self.lock:
                faces = self.state["faces"]
                if headers["sync-scope"] == "all":  # Whoever is not named until there is no more is nobody any more.
                    self.state["old"] = list(faces)
                named = {change["face_id"] for change in answer["changes"]}
                for change in answer["changes"]:
                    if change["action"] == "delete":
                        faces.pop(change["face_id"], None)
                        self.state["deleted"].append(change["face_id"])
                    elif change["action"] == "create":
                        faces[change["face_id"]] = {"embedding": change["embedding"], "name": change.get("name", ""), "flag": change.get("flag", "none")}
                    elif change["face_id"] in faces:
                        faces[change["face_id"]] |= {key: change[key] for key in ("name", "flag") if key in change}
                self.state["old"] = [face_id for face_id in self.state["old"] if face_id not in named]
                if more != "true":
                    self.state["faces"] = {face_id: face for face_id, face in faces.items() if face_id not in self.state["old"]}
                    self.state["old"] = []
                before, self.state["since"] = self.state["since"], answer["sync_timestamp"]
                if answer["changes"] or before != self.state["since"]:
                    self.save()

    def confirm(self):
        """Only what is gone from the disk is confirmed."""
        while deleted := self.state["deleted"][:500]:
            self.call("/api/edge/sync/confirm", {"deleted": deleted})
            with self.lock:
                self.state["deleted"] = self.state["deleted"][len(deleted):]
                self.save()

    def run(self, interval_s):
        failures = 0
        while True:
            try:
                self.send()
                self.poll()
                self.confirm()
                failures = 0
            except PermissionError as refused:
                print(f"shut out: {refused}", file=sys.stderr, flush=True)
                failures += 1
                with self.lock:  # Who is not told of removals any more must not know anybody.
                    self.state |= {"faces": {}, "since": "", "old": []}
                    self.save()
            except (OSError, ValueError, KeyError) as error:
                print(f"tried again later: {error}", file=sys.stderr, flush=True)
                failures += 1
            time.sleep(min(interval_s * 2 ** min(failures, 6), 600) * random.uniform(0.9, 1.1))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("url")
    arguments.add_argument("--state", default="polling_box.json", help="the file that holds all it knows")
    arguments.add_argument("--interval", type=float, default=30, help="seconds between two polls")
    arguments.add_argument("--same", type=float, default=0.55, help="the cosine from which on two faces are one person")
    arguments.add_argument("--ca", help="the authority that vouches for the website, where that is no public one")
    given = arguments.parse_args()
    box = Box(given.url, os.environ["REGULARS_BOX_TOKEN"], given.state, given.same, given.ca)
    threading.Thread(target=box.run, args=(given.interval,), daemon=True).start()
    for line in sys.stdin:
        try:
            seen = json.loads(line)
            vector = [float(value) for value in seen["embedding"]]
            if not math.isfinite(math.hypot(*vector)) or not any(vector):
                raise ValueError("an embedding is finite, and not zero")
            answer = box.see(vector, seen.get("points"))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            answer = {"error": f"a line is {{\"embedding\": [...]}}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
