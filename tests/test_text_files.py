"""Lists in any encoding, names of any bytes."""

import codecs
import csv
import json
import os

import numpy as np
import pytest
from small_images import write_digits

from rcl_mm.class_counts import read_class_counts
from rcl_mm.datasets.image_lists import read_image_list
from rcl_mm.datasets.prepare import prepare_data
from rcl_mm.evaluation.results import Results, read_results, write_results
from rcl_mm.inference.predict import Prediction, write_csv
from rcl_mm.text_files import decode_text, parse_image_list, printable

LIST = '图片/猫.jpg 0\n图片/狗.jpg 1\n'
CAFE = os.fsdecode(b'caf\xe9')


class TestDecodeText:
    @pytest.mark.parametrize(
        ('mark', 'encoding'),
        [
            (b'', 'utf-8'),
            (codecs.BOM_UTF8, 'utf-8'),
            (codecs.BOM_UTF16_LE, 'utf-16-le'),
            (codecs.BOM_UTF16_BE, 'utf-16-be'),
            (codecs.BOM_UTF32_LE, 'utf-32-le'),
            (codecs.BOM_UTF32_BE, 'utf-32-be'),
        ],
    )
    def test_every_mark(self, mark, encoding):
        assert decode_text(mark + LIST.encode(encoding), 'list.txt') == LIST

    @pytest.mark.parametrize(
        ('text', 'encoding'),
        [('图片/狗 0', 'gbk'), ('圖片 0', 'big5'), ('写真 0', 'shift_jis'), ('café 0', 'latin-1')],
    )
    def test_other_encodings__one_line_with_name_place_and_remedy(self, text, encoding):
        message = r'list\.txt is no UTF-8 text \(.* at byte \d.*iconv'
        with pytest.raises(ValueError, match=message) as caught:
            decode_text(text.encode(encoding), 'list.txt')
        assert len(str(caught.value).splitlines()) == 1

    def test_cut_short_after_a_mark(self):
        with pytest.raises(ValueError, match='is no UTF-16 text'):
            decode_text(codecs.BOM_UTF16_LE + b'a', 'list.txt')


class TestReaders:
    """Counts files and lists of data sets are read alike."""

    @pytest.mark.parametrize('read', [read_class_counts, read_image_list])
    def test_gbk__names_the_file(self, tmp_path, read):
        (tmp_path / 'gbk.txt').write_bytes(LIST.encode('gbk'))
        with pytest.raises(ValueError, match=r'gbk\.txt"? is no UTF-8 text'):
            read(str(tmp_path / 'gbk.txt'))

    @pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
    def test_marks(self, tmp_path, encoding):
        path = tmp_path / 'list.txt'
        path.write_bytes(LIST.encode(encoding))
        assert read_class_counts(path).tolist() == [1, 1]
        assert read_image_list(path)[0] == ['图片/猫.jpg', '图片/狗.jpg']
        (tmp_path / 'counts.json').write_bytes('{"0": 8, "1": 2}'.encode(encoding))
        assert read_class_counts(tmp_path / 'counts.json').tolist() == [8, 2]

    @pytest.mark.parametrize('read', [read_class_counts, read_image_list])
    @pytest.mark.parametrize(
        ('text', 'message'),
        [
            ('a.jpg\n', 'line 1: "a.jpg" is not'),
            ('a.jpg ²\n', 'line 1: .* is not'),
            ('a.jpg 0\nb\nc\n', r'and 1 more bad lines'),
        ],
    )
    def test_same_complaints(self, tmp_path, read, text, message):
        (tmp_path / 'list.txt').write_text(text)
        with pytest.raises(ValueError, match=message):
            read(str(tmp_path / 'list.txt'))

    def test_counts__paths_do_not_matter(self, tmp_path):
        (tmp_path / 'list.txt').write_text('/a.jpg 0\n../b.jpg 1\n../b.jpg 1\n')
        assert read_class_counts(tmp_path / 'list.txt').tolist() == [1, 2]

    def test_parse__name_of_any_bytes(self):
        assert parse_image_list('x', CAFE)[2][0].startswith('caf\\udce9, line 1')


class TestWriters:
    @pytest.mark.parametrize(('name', 'shown'), [(CAFE, 'caf\\udce9'), ('猫', '猫'), (7, '7')])
    def test_printable(self, name, shown):
        assert printable(name) == shown

    def test_predictions(self, tmp_path):
        write_csv([Prediction(CAFE + '.jpg', (CAFE,), (1.0,))], str(tmp_path / 'p.csv'), 1)
        with (tmp_path / 'p.csv').open(encoding='utf-8', newline='') as file:
            assert list(csv.reader(file))[1] == ['caf\\udce9.jpg', 'caf\\udce9', '1.000000', '']

    @pytest.mark.parametrize('suffix', ['json', 'csv'])
    def test_results(self, tmp_path, suffix):
        zeros = np.zeros(2, np.int64)
        results = Results([CAFE, 'b'], np.array([3, 1]), 100, 20, zeros, zeros, zeros, zeros, zeros)
        write_results(tmp_path / f'r.{suffix}', results)
        assert 'caf\\udce9' in (tmp_path / f'r.{suffix}').read_text('utf-8')
        if suffix == 'json':
            assert read_results(tmp_path / 'r.json').fingerprint == results.fingerprint


class TestTools:
    def test_prepare_data(self, tmp_path):
        for split in ('train', 'val'):
            write_digits(tmp_path / split, {'cafe': 3, 'the': 3})
            # OpenCV itself crashes where it is to write such a path.
            (tmp_path / split / 'cafe').rename(tmp_path / split / CAFE)
        report = prepare_data('folder', tmp_path)
        assert report.ok
        written = json.loads(report.counts_file.read_text('utf-8'))
        assert written['classes'] == [CAFE, 'the']
