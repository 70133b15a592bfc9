"""What a run needs before anything is measured: two C programs, pm2 from the registry, MARK of this
checkout, and the peers that the system has. What cannot be had here is left out with a sentence, never
in silence."""
import glob
import os
import platform
import shutil
import subprocess
import sys

from roster import kind_of

PM2_VERSION = "7.0.4"
# An ordinary user's PATH may lack them.
SYSTEM_PLACES = ("/usr/sbin", "/sbin", "/usr/lib/systemd", "/lib/systemd")
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
NPM_TIMEOUT_S = 180


class Kit:
    """Paths of the programs; None: not to be had. `skipped`: {peer: why}."""

    def __init__(self, build_dir, cache_dir, node, wanted, others):
        self.skipped = {}
        self.node = os.path.realpath(node)
        self.marks = {"mark": os.path.join(ROOT, "bin", "mark"), **others}
        compiler = next((path for path in map(shutil.which, ("cc", "gcc", "clang")) if path), None)
        self.module = self.compile(compiler, build_dir, "module")
        self.raw_keeper = self.compile(compiler, build_dir, "raw-keeper")
        self.pm2 = self.install_pm2(cache_dir) if "pm2" in wanted else None
        if self.raw_keeper is None:
            self.skipped["raw"] = "there is no C compiler (cc, gcc or clang) that works"
        if "mark-built" in wanted:
            self.marks["mark-built"] = self.build_package(os.path.join(build_dir, "built"))
        for name in wanted:
            why = self.lacks(kind_of(name))
            if why:
                self.skipped[name] = why

    def program(self, name):
        places = [os.environ.get("PATH", "/usr/bin:/bin"), *SYSTEM_PLACES]
        return shutil.which(name, path=os.pathsep.join(places))

    def lacks(self, kind):
        """What a peer from the system needs and has not, in a sentence."""
        missing = [name for name in kind.programs if self.program(name) is None]
        if missing:
            return f"there is no {', '.join(missing)}; on Debian: apt-get install {kind.package}"
        return kind.cannot()

    def compile(self, compiler, build_dir, name):
        """Static where the host can link so: it starts fastest."""
        if compiler is None:
            return None
        target = os.path.join(build_dir, name)
        source = os.path.join(HERE, "c", f"{name}.c")
        for more in (["-static"], []):
            argv = [compiler, "-O2", *more, "-o", target, source]
            if subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0:
                return target
        return None

    def build_package(self, target):
        """MARK as a package holds it: JavaScript without types, beside the dependencies of this checkout."""
        script = os.path.join(ROOT, "scripts", "build.js")
        built = subprocess.run([self.node, script, "--into", target], capture_output=True, text=True)
        if built.returncode != 0:
            said = (built.stdout + built.stderr).strip()[-500:]
            self.skipped["mark-built"] = f"npm run build failed: {said}"
            return None
        os.symlink(os.path.join(ROOT, "node_modules"), os.path.join(target, "node_modules"))
        return os.path.join(target, "bin", "mark")

    def install_pm2(self, cache_dir):
        prefix = os.path.join(cache_dir, f"pm2-{PM2_VERSION}")
        script = os.path.join(prefix, "node_modules", "pm2", "bin", "pm2")
        done = os.path.join(prefix, "installed")
        if os.path.exists(done):
            return script
        os.makedirs(prefix, mode=0o700, exist_ok=True)
        say(f"installing pm2 {PM2_VERSION} into {prefix}")
        argv = ["npm", "install", "--prefix", prefix, "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            subprocess.run(
                [*argv, "--no-save", "--fetch-retries=1", f"pm2@{PM2_VERSION}"],
                check=True, timeout=NPM_TIMEOUT_S,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        except FileNotFoundError:
            self.skipped["pm2"] = "there is no npm to install it with"
        except subprocess.TimeoutExpired:
            self.skipped["pm2"] = f"npm did not install it within {NPM_TIMEOUT_S} s"
        except subprocess.CalledProcessError as error:
            why = [line for line in error.stderr.splitlines() if line.startswith("npm error")][:2]
            self.skipped["pm2"] = f"npm could not install it: {'; '.join(why) or 'no reason given'}"
        else:
            open(done, "w").close()
            return script
        return None


def say(*words):
    print("bench:", *words, file=sys.stderr, flush=True)


def host():
    """The machine in a few words, for the record."""
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo") as file:
        memory_kb = int(file.readline().split()[1])
    return {
        "kernel": platform.release(),
        "cpu": models[0] if models else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory_kb / 1024 / 1024, 1),
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def versions(kit, wanted):
    def told(*argv):
        return subprocess.run(argv, capture_output=True, text=True).stdout.strip()
    found = {"node": told(kit.node, "--version"), "mark": told(kit.marks["mark"], "--version")}
    for package in sorted({kind_of(name).package for name in wanted if name not in kit.skipped} - {None}):
        version = told("dpkg-query", "-W", "-f", "${Version}", package) if shutil.which("dpkg-query") else ""
        found[package] = version.partition("-")[0] or "of unknown version"
    return {**found, "pm2": PM2_VERSION} if kit.pm2 else found


def default_node():
    """The Node that MARK runs on in this checkout."""
    arch = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    places = glob.glob(os.path.join(ROOT, "node_modules", f"node-linux-{arch}", "bin", "node"))
    return places[0] if places else shutil.which("node") or ""
