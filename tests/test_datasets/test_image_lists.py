"""List files: what is tolerated, and one clear error for each thing that is not."""

import numpy as np
import pytest

from rcl_mm.datasets import read_image_list, scan_image_list


@pytest.fixture
def write(tmp_path):
    def _write(content):
        path = tmp_path / 'list.txt'
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


@pytest.mark.parametrize(
    'content',
    [
        'a/1.jpg 0\nb/2.jpg 2\n',
        'a/1.jpg 0\nb/2.jpg 2',
        b'\xef\xbb\xbfa/1.jpg 0\nb/2.jpg 2\n',
        'a/1.jpg 0\r\nb/2.jpg 2\r\n',
        '\n\na/1.jpg 0\n   \n\tb/2.jpg\t2  \n\n',
    ],
    ids=['plain', 'no_last_newline', 'byte_order_mark', 'crlf', 'blank_lines'],
)
def test_tolerated(write, content):
    paths, labels = read_image_list(write(content), num_classes=3)
    assert paths == ['a/1.jpg', 'b/2.jpg']
    assert labels.dtype == np.int64 and labels.tolist() == [0, 2]


def test_paths_with_spaces_and_other_letters(write):
    paths, _ = read_image_list(write('a b/é 日本.jpg 1\n'))
    assert paths == ['a b/é 日本.jpg']


@pytest.mark.parametrize(
    'line,message',
    [
        ('2.jpg', 'is not "relative/path label"'),
        ('b/2.jpg x', 'is not "relative/path label"'),
        ('b/2.jpg 1.5', 'is not "relative/path label"'),
        ('b/2.jpg -1', 'is not "relative/path label"'),
        ('b/2.jpg ²', 'is not "relative/path label"'),
        ('b/\0.jpg 1', r'"b/\\0.jpg 1" is not "relative/path label"'),
        ('b/2.jpg 3', r'label 3 of "b/2.jpg" is out of range, allowed is 0\.\.2'),
        ('a/1.jpg 0', 'is there already, in line 1'),
        ('a/./x/../1.jpg 1', 'is there already, in line 1'),
        ('../2.jpg 1', 'leaves the data root'),
        ('b/../../2.jpg 1', 'leaves the data root'),
        ('/etc/passwd 1', 'leaves the data root'),
    ],
)
def test_bad_line(write, line, message):
    path = write(f'a/1.jpg 0\n\n{line}\nc/3.jpg 1\n')
    with pytest.raises(ValueError, match=f'^{path}, line 3: .*{message}'):
        read_image_list(path, num_classes=3)
    paths, labels, problems = scan_image_list(path, num_classes=3)
    assert paths == ['a/1.jpg', 'c/3.jpg'] and labels.tolist() == [0, 1] and len(problems) == 1


@pytest.mark.parametrize('label', ['9' * 20, '1' * 5000])
def test_label_that_no_number_holds(write, label):
    with pytest.raises(ValueError, match=r'line 1: .* is not "relative/path label"'):
        read_image_list(write(f'a.jpg {label}\n'))


def test_number_of_bad_lines_is_said(write):
    with pytest.raises(ValueError, match=r'line 1: .*\(and 2 more bad lines\)'):
        read_image_list(write('x\ny\nz\n'))


def test_outside_root_allowed(write):
    content = '/data/1.jpg 0\n../2.jpg 1\n'
    paths, _ = read_image_list(write(content), allow_outside_root=True)
    assert paths == ['/data/1.jpg', '../2.jpg']


@pytest.mark.parametrize('name', ['..x/1.jpg', 'a/..b.jpg', '...'])
def test_dots_that_stay_inside(write, name):
    assert read_image_list(write(f'{name} 0\n'))[0] == [name]


@pytest.mark.parametrize('content', ['', '\n \r\n', b'\xef\xbb\xbf'])
def test_empty(write, content):
    with pytest.raises(ValueError, match='is empty'):
        read_image_list(write(content))


def test_not_text(write):
    with pytest.raises(ValueError, match='is no UTF-8 text'):
        read_image_list(write(b'\x89PNG\xff\xfe\x00'))
