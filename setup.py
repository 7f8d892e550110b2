"""Only what pyproject.toml cannot say.

setuptools leaves data files out of editable installs, because it asks the distribution for ``has_data``, which is
called ``has_data_files``. Ours is the ``.pth`` file by which Nova finds the driver, and editable installs need it
most.
"""

from setuptools import Distribution, setup


class WithDataInEditable(Distribution):
    def has_data(self) -> bool:
        return self.has_data_files()


setup(distclass=WithDataInEditable)
