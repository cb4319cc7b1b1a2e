"""
scripts/setup decides rightly, repeats nothing and goes on after a failure.

The script itself runs, in a copy of the tree, with stand-ins for the interpreters: they say what a
machine would offer and write down what they are asked to do, so that no network is needed.
"""
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ('awk', 'bash', 'c++', 'cat', 'chmod', 'cp', 'cut', 'dirname', 'env', 'flock', 'grep',
         'head', 'mkdir', 'realpath', 'rm', 'sed', 'sha256sum', 'sleep', 'tail', 'touch', 'uname')
STAND_IN = """#!/usr/bin/env bash
case "$*" in
  *probe.py) echo "{facts} $0" ;;
  '-m venv'*)
    target=${{!#}}
    mkdir -p "$target/bin" && cp "$0" "$target/bin/python"
    [[ $* == *--system-site-packages* ]] && site=true || site=false
    echo "include-system-site-packages = $site" >"$target/pyvenv.cfg" ;;
  '-m pip'*)
    echo "pip $*" >>"$CALLS"
    if [[ -n ${{FAILING:-}} && $* == *"$FAILING"* ]]; then echo 'no route to host'; exit 1; fi ;;
  *'import audio_common_msgs'*) [[ ${{FAILING:-}} != audio_common_msgs ]] ;;
  *version_info*) set -- {facts}; echo "$1" ;;
  *purelib*) echo "${{0%/bin/python}}" ;;
esac
"""
# version, ensurepip, C headers, rclpy, CUDA version of torch
PLAIN = '3.11 yes yes no -'


class Machine:
    """A copy of the set-up on a machine that has the given interpreters on its PATH."""

    def __init__(self, folder: Path, pythons: Mapping[str, str]) -> None:
        """Write a stand-in for each name of ``pythons``, with the facts that it tells."""
        self.root = folder / 'checkout'
        for name in 'scripts', 'requirements', 'interfaces':
            shutil.copytree(ROOT / name, self.root / name)
        build = self.root / 'scripts' / 'build_interfaces'
        build.write_text('#!/usr/bin/env bash\necho build_interfaces >>"$CALLS"\n')
        self.calls_file = folder / 'calls'
        self.path = folder / 'bin'
        self.path.mkdir()
        for tool in TOOLS:
            where = shutil.which(tool)
            assert where, f'{tool} is missing on this machine'
            (self.path / tool).symlink_to(where)
        for name, facts in pythons.items():
            self.add(name, STAND_IN.format(facts=facts))

    def add(self, name: str, script: str) -> None:
        """Put an executable on the PATH."""
        path = self.path / name
        path.write_text(script)
        path.chmod(0o755)

    def setup(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Forget the earlier calls and run scripts/setup."""
        self.calls_file.write_text('')
        return self.start(*arguments, **variables)

    def start(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run scripts/setup in a shell with only the given variables."""
        environment = {'PATH': str(self.path), 'CALLS': str(self.calls_file), **variables}
        return subprocess.run(
            ['bash', str(self.root / 'scripts' / 'setup'), *arguments], env=environment,
            capture_output=True, text=True, check=False)

    def explain(self, **variables: str) -> dict[str, str]:
        """Run ``scripts/setup --explain`` and split what it says."""
        result = self.setup('--explain', **variables)
        assert result.returncode == 0, result.stderr
        return dict(line.split(': ', 1) for line in result.stdout.splitlines())

    def calls(self) -> list[str]:
        """Name what the last call installed or built: requirement files, the messages."""
        lines = self.calls_file.read_text().split()
        return [word.rsplit('/', 1)[-1] for word in lines
                if word.startswith('--requirement') or word == 'build_interfaces']


@pytest.mark.parametrize(('offered', 'chosen'), [
    (('3.10', '3.11', '3.12', '3.13'), '3.11'), (('3.10', '3.12', '3.13'), '3.10'),
    (('3.9', '3.12', '3.13'), '3.12'), (('3.8', '3.13', '3.14'), '3.13')])
def test_the_preferred_python_is_taken(
        tmp_path: Path, offered: tuple[str, ...], chosen: str) -> None:
    pythons = {f'python{version}': f'{version} yes yes no -' for version in offered}
    assert Machine(tmp_path, pythons).explain()['python'].startswith(f'{chosen}, ')


def test_a_python_that_does_not_run_is_passed_over(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {'python3.12': '3.12 yes yes no -'})
    machine.add('python3.11', '#!/usr/bin/env bash\necho command not found >&2\nexit 127\n')
    assert machine.explain()['python'].startswith('3.12, ')


@pytest.mark.parametrize(('facts', 'package'), [
    ('3.11 no yes no -', 'python3.11-venv'), ('3.11 yes no no -', 'python3.11-dev')])
def test_a_missing_part_of_python_is_named(tmp_path: Path, facts: str, package: str) -> None:
    result = Machine(tmp_path, {'python3.11': facts}).setup()
    assert result.returncode == 1
    assert f'sudo apt install {package}' in result.stderr


def test_no_python_at_all_is_said(tmp_path: Path) -> None:
    result = Machine(tmp_path, {'python3': '3.9 yes yes no -'}).setup()
    assert result.returncode == 1
    assert 'no Python 3.10 to 3.13' in result.stderr


def test_sourced_ros_decides_which_python(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {'python3.11': PLAIN, 'python3': '3.12 yes no yes -'})
    said = machine.explain(ROS_DISTRO='jazzy')
    assert said['python'].startswith('3.12, ')
    assert said['ros'] == 'jazzy, as sourced'
    assert said['site-packages of the base Python'] == 'seen'
    assert machine.explain()['ros'] == 'wheels'


def test_sourced_ros_gets_no_wheels_and_no_messages_of_ours(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {'python3': '3.12 yes yes yes -'})
    assert machine.setup(ROS_DISTRO='jazzy').returncode == 0
    assert machine.calls() == ['torch.txt', 'run.txt']


def test_sourced_ros_without_rclpy_names_the_package(tmp_path: Path) -> None:
    result = Machine(tmp_path, {'python3': PLAIN}).setup(ROS_DISTRO='humble')
    assert result.returncode == 1
    assert 'ros-humble-rclpy' in result.stderr


def test_sourced_ros_without_the_messages_names_the_package(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {'python3': '3.12 yes yes yes -'})
    result = machine.setup(ROS_DISTRO='jazzy', FAILING='audio_common_msgs')
    assert result.returncode == 1
    assert 'sudo apt install ros-jazzy-audio-common-msgs' in result.stderr


def test_cuda_torch_of_the_base_python_is_kept(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {'python3.11': PLAIN, 'python3': '3.10 yes yes no 12.6'})
    said = machine.explain()
    assert said['python'].startswith('3.10, ')
    assert said['torch'] == 'kept, CUDA 12.6'
    assert machine.setup().returncode == 0
    assert 'torch.txt' not in machine.calls()


def test_explain_changes_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {'python3.11': PLAIN})
    machine.explain()
    assert not (machine.root / '.venv').exists()


def test_second_call_does_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {'python3.11': PLAIN})
    assert machine.setup('--dev').returncode == 0
    assert machine.calls() == [
        'ros.txt', 'interfaces.txt', 'build_interfaces', 'torch.txt', 'run.txt', 'test.txt']
    for arguments in ['--dev'], []:
        again = machine.setup(*arguments)
        assert (again.returncode, again.stderr, machine.calls()) == (0, '', [])


def test_the_package_is_found_in_a_folder_of_any_name_and_in_any_locale(tmp_path: Path) -> None:
    machine = Machine(tmp_path / 'my r\xf6bot (1)', {'python3.11': PLAIN})
    assert machine.setup().returncode == 0
    [link] = machine.root.rglob('*.pth')
    content = link.read_bytes().decode('ascii')
    assert (link.parent / content.strip()).resolve() == machine.root.resolve()


def test_demo_needs_no_test_tools(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {'python3.11': PLAIN})
    machine.setup()
    assert 'test.txt' not in machine.calls()
    machine.setup('--dev')
    assert machine.calls() == ['test.txt']


def test_two_set_ups_at_once_do_the_work_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {'python3.11': PLAIN})
    with ThreadPoolExecutor() as pool:
        results = [future.result() for future in [pool.submit(machine.start) for _ in range(3)]]
    assert [result.returncode for result in results] == [0, 0, 0]
    assert machine.calls() == [
        'ros.txt', 'interfaces.txt', 'build_interfaces', 'torch.txt', 'run.txt']


@pytest.mark.parametrize(('changed', 'done'), [
    ('requirements/run.txt', ['run.txt']), ('requirements/torch.txt', ['torch.txt']),
    ('requirements/test.txt', []), ('scripts/setup', []),
    ('interfaces/audio_common_msgs/msg/AudioInfo.msg', ['build_interfaces'])])
def test_a_change_redoes_only_its_step(tmp_path: Path, changed: str, done: list[str]) -> None:
    machine = Machine(tmp_path, {'python3.11': PLAIN})
    machine.setup()
    with (machine.root / changed).open('a') as file:
        file.write('# changed\n')
    assert machine.setup().returncode == 0
    assert machine.calls() == done


def test_a_failed_step_is_named_and_taken_up_again(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {'python3.11': PLAIN})
    failed = machine.setup(FAILING='torch.txt')
    assert failed.returncode == 1
    assert "the step 'torch' failed" in failed.stderr
    assert 'no route to host' in failed.stderr, 'the end of the log is shown'
    assert machine.setup().returncode == 0
    assert machine.calls() == ['torch.txt', 'run.txt']


def test_a_dead_environment_is_made_anew(tmp_path: Path) -> None:
    machine = Machine(tmp_path, {'python3.11': PLAIN})
    machine.setup()
    python = machine.root / '.venv/bin/python'
    python.unlink()
    python.symlink_to('/nonexistent/python3.11')
    assert machine.setup().returncode == 0
    assert 'ros.txt' in machine.calls()


def probe(tmp_path: Path, **variables: str) -> list[str]:
    """Run the probe with the real base Python, which finds what lies in ``tmp_path``."""
    base = getattr(sys, '_base_executable', sys.executable)
    environment = {'PYTHONPATH': str(tmp_path), **variables}
    result = subprocess.run([base, str(ROOT / 'scripts/probe.py')], env=environment,
                            capture_output=True, text=True, check=True)
    return result.stdout.split()


def test_probe_sees_cuda_torch_without_importing_it(tmp_path: Path) -> None:
    (tmp_path / 'torch').mkdir()
    (tmp_path / 'torch/__init__.py').write_text('raise RuntimeError("imported")\n')
    (tmp_path / 'torch/version.py').write_text("cuda = '12.6'\n")
    assert probe(tmp_path)[4] == '12.6'
    (tmp_path / 'torch/version.py').write_text('cuda = None\n')
    assert probe(tmp_path)[4] == '-'


def test_probe_looks_for_rclpy_only_where_ros_is_sourced(tmp_path: Path) -> None:
    (tmp_path / 'rclpy.py').write_text('')
    assert probe(tmp_path, ROS_DISTRO='jazzy')[3] == 'yes'
    assert probe(tmp_path)[3] == 'no'
    (tmp_path / 'rclpy.py').write_text('raise ImportError("compiled for another Python")\n')
    assert probe(tmp_path, ROS_DISTRO='jazzy')[3] == 'no'


@pytest.mark.parametrize('name', ['setup', 'test', 'demo', 'build_interfaces', '../.ci/run'])
def test_script_is_executable_and_well_formed(name: str) -> None:
    script = ROOT / 'scripts' / name
    assert script.stat().st_mode & 0o111
    assert script.read_text().startswith('#!/usr/bin/env bash\n')
    subprocess.run(['bash', '-n', str(script)], check=True)
    shellcheck = shutil.which('shellcheck')
    if shellcheck:
        subprocess.run([shellcheck, str(script)], check=True)
