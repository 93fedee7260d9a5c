"""Fetches and builds what the clients need, once, into the cache; all parts at the same time.

Only the usual package tools do it, as they are set up on the machine. System packages are installed
only if asked for; otherwise what is missing is said. A part is done when its stamp holds the
digest of everything that it is made from.
"""

import glob
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time

from . import older
from .clients import go_command

# Tool -> Debian package that brings it. Go and Rust come with newer toolchains than Debian's.
SYSTEM = {
    "kcat": [("kcat", "kcat")],
    "python": [("python3", "python3"), ("ensurepip", "python3-venv")],
    "javascript-packages": [("node", "nodejs"), ("npm", "npm")],
    "javascript": [("g++", "g++"), ("make", "make")],
    "librdkafka": [("g++", "g++"), ("make", "make"), ("pkg-config", "pkg-config"), ("zstd.h", "libzstd-dev"), ("zlib.h", "zlib1g-dev")],
    "java": [("javac", "default-jdk-headless"), ("mvn", "maven")],
    "go": [("go", "golang-go")],
    "rust": [("cargo", "cargo")],
}
AFTER = {"librdkafka": ("javascript-packages",), "rust": ("librdkafka",), "javascript": ("javascript-packages", "librdkafka")}


def provide(layout, clients, may_install):
    parts = {part for client in clients for part in client.needs}
    if parts & {"librdkafka", "javascript"}:
        parts.add("javascript-packages")
    _system(parts, may_install)
    installation = Installation(layout, parts)
    installation.run()
    for client in clients:
        if client.older:
            older.install(installation.command, layout, client.older)


def _present(what):
    if what == "go":
        return go_command() is not None
    if what == "ensurepip":
        return subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True).returncode == 0
    if what.endswith(".h"):
        return os.path.exists(os.path.join("/usr/include", what))
    return shutil.which(what) is not None


def _system(parts, may_install):
    missing = sorted({package for part in parts for what, package in SYSTEM[part] if not _present(what)})
    if not missing:
        return
    if not may_install:
        sys.exit(f"scripts/test-clients: missing system packages: {' '.join(missing)}; scripts/test-clients --install installs them")
    command = ["apt-get", "install", "-yq", "--no-install-recommends", *missing]
    subprocess.run(["apt-get", "update", "-q"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


class Installation:
    """The parts that run as threads; a part waits for those it is made from."""

    def __init__(self, layout, parts):
        self.layout = layout
        self.log_path = layout.cached("install.log")
        self.parts = sorted(parts - {"kcat"})
        self.done = {part: threading.Event() for part in self.parts}
        self.failures = []
        os.makedirs(layout.cache, exist_ok=True)

    def run(self):
        threads = [threading.Thread(target=self._part, args=(part,)) for part in self.parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failures:
            sys.exit("\n".join([f"scripts/test-clients: {len(self.failures)} parts could not be installed:", *self.failures]))

    def _part(self, part):
        try:
            for earlier in AFTER.get(part, ()):
                if earlier in self.done:
                    self.done[earlier].wait()
            if not self.failures:
                self._once(part)
        except (subprocess.CalledProcessError, OSError) as error:
            said = getattr(error, "stderr", None) or ""
            self.failures.append(f"{part}: {error}\n{said[-2000:]}")
        finally:
            self.done[part].set()

    def _once(self, part):
        sources = {
            "python": ["python/requirements.txt"], "javascript-packages": ["javascript/package.json", "javascript/package-lock.json"],
            "librdkafka": ["javascript/package.json"], "javascript": ["javascript/*.js*"], "java": ["java/*"], "go": ["go/*"],
            "rust": ["rust/Cargo.*", "rust/src/*.rs", "rust/src/bin/*.rs", "javascript/package.json"],
        }[part]
        digest = hashlib.sha256()
        for pattern in sources:
            for path in sorted(glob.glob(self.layout.source(pattern))):
                digest.update(open(path, "rb").read())
        stamp = self.layout.cached(f"{part}.stamp")
        if os.path.exists(stamp) and open(stamp).read() == digest.hexdigest():
            return
        began = time.monotonic()
        getattr(self, "_" + part.replace("-", "_"))()
        with open(stamp, "w") as file:
            file.write(digest.hexdigest())
        print(f"installed {part} ({time.monotonic() - began:.0f} s)", flush=True)

    def command(self, *command, cwd=None, **environment):
        subprocess.run(
            [str(word) for word in command], cwd=cwd, env={**os.environ, **environment}, check=True, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=900,
        )

    # --- the parts

    def _python(self):
        home = self.layout.cached("python")
        if not os.path.exists(os.path.join(home, "bin", "pip")):
            self.command(sys.executable, "-m", "venv", home)
        self.command(os.path.join(home, "bin", "pip"), "install", "-q", "-r", self.layout.source("python", "requirements.txt"))

    def _javascript_packages(self):
        home = self.layout.cached("javascript")
        os.makedirs(home, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(self.layout.source("javascript", name), home)
        # No scripts: that of kafka-javascript downloads a binary; it is built below.
        self.command("npm", "ci", "--ignore-scripts", cwd=home)

    def _librdkafka(self):
        """The version that kafka-javascript ships, once for both bindings."""
        build = self.layout.cached("librdkafka-build")
        shutil.rmtree(build, ignore_errors=True)
        shutil.copytree(self.layout.cached("javascript", "node_modules", "@confluentinc", "kafka-javascript", "deps", "librdkafka"), build)
        prefix = self.layout.cached("librdkafka")
        self.command("./configure", f"--prefix={prefix}", "--disable-gssapi", "--disable-ssl", "--disable-curl", "--disable-debug-symbols", cwd=build)
        self.command("make", "-j2", "libs", cwd=build)
        self.command("make", "install-subdirs", cwd=build)

    def _javascript(self):
        home = self.layout.cached("javascript")
        for path in glob.glob(self.layout.source("javascript", "*.js")):
            shutil.copy(path, home)
        library = self.layout.cached("librdkafka")
        gyp = os.path.join(os.path.dirname(os.path.realpath(shutil.which("npm"))), "..", "node_modules", "node-gyp", "bin", "node-gyp.js")
        command = ["node", gyp] if os.path.exists(gyp) else ["node-gyp"]
        # Debian and the usual images keep the headers of Node.js beside it.
        headers = [f"--nodedir={os.path.dirname(os.path.dirname(os.path.realpath(shutil.which('node'))))}"]
        self.command(*command, "rebuild", *headers, cwd=os.path.join(home, "node_modules", "lz4"))
        self.command(
            *command, "rebuild", *headers, cwd=os.path.join(home, "node_modules", "@confluentinc", "kafka-javascript"),
            BUILD_LIBRDKAFKA="0", CPATH=f"{library}/include:{library}/include/librdkafka",
            LDFLAGS=f"-L{library}/lib -Wl,-rpath,{library}/lib", CXXFLAGS="-O1", JOBS="2",
        )

    def _java(self):
        jars, classes = self.layout.cached("java", "jars"), self.layout.cached("java", "classes")
        for directory in (jars, classes):
            shutil.rmtree(directory, ignore_errors=True)
            os.makedirs(directory)
        self.command(
            "mvn", "-q", "-B", "-f", self.layout.source("java", "pom.xml"), f"-Dmaven.repo.local={self.layout.cached('m2')}",
            "dependency:copy-dependencies", f"-DoutputDirectory={jars}",
        )
        sources = glob.glob(self.layout.source("java", "*.java"))
        self.command("javac", "-nowarn", "-cp", os.path.join(jars, "*"), "-d", classes, *sources)

    def _go(self):
        self.command(go_command(), "build", "-o", self.layout.cached("go", "franz-go"), ".", cwd=self.layout.source("go"))

    def _rust(self):
        library = self.layout.cached("librdkafka")
        self.command(
            "cargo", "build", "--release", "--locked", cwd=self.layout.source("rust"), CARGO_TARGET_DIR=self.layout.cached("rust"),
            PKG_CONFIG_PATH=f"{library}/lib/pkgconfig", RUSTFLAGS=f"-C link-arg=-Wl,-rpath,{library}/lib",
        )
