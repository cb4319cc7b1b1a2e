from glob import glob

from setuptools import find_packages, setup

package_name = 'parakeet_ros'
share = f'share/{package_name}'

setup(
    name=package_name,
    version='0.1.0',
    packages=find_packages(exclude=['test', 'test.*', 'benchmark', 'benchmark.*']),
    package_data={package_name: ['models/*', 'bags/report/*.[chj]*']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{package_name}']),
        (share, ['package.xml']),
        (f'{share}/launch', glob('launch/*.launch.py')),
        (f'{share}/config', glob('config/*.yaml')),
        (f'{share}/grammars', sorted(glob('training/grammars/*.yaml'))),
        # a few clips, so that the demo runs from an installed package too
        (f'{share}/demo', [
            'test/data/heldout/manifest.jsonl',
            *sorted(glob('test/data/heldout/short_kokoro_am_michael_0[1-8].flac'))]),
    ],
    python_requires='>=3.10',
    install_requires=['setuptools'],
    extras_require={'fleet': ['ray'], 'test': ['hypothesis', 'jiwer', 'pytest']},
    zip_safe=False,
    maintainer='parakeet_ros maintainers',
    maintainer_email='noreply@example.org',
    description='Speech recognition for robots: a microphone topic in, text out.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'asr = parakeet_ros.node:main',
            'audio_player = parakeet_ros.player:main',
            'demo = parakeet_ros.demo:main',
            'parakeet-ros = parakeet_ros.cli.main:main',
        ],
    },
)
