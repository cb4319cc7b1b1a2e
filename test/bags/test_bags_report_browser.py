"""A report in a real browser: it draws, plays, zooms, fits a phone, and asks no network."""
import json
from pathlib import Path
import shutil

from parakeet_ros.cli.main import main
import pytest
from robot_bag import published, TEXTS, write_robot_bag

BROWSER = shutil.which('chromium') or shutil.which('google-chrome')
DRIVER = shutil.which('chromedriver')
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None or DRIVER is None, reason='no Chromium with chromedriver '
                       'is installed: apt install chromium chromium-driver')]
OPTIONS = [
    'headless=new', 'no-sandbox', 'disable-gpu', 'disable-dev-shm-usage', 'disable-quic',
    'no-first-run', 'disable-background-networking', 'disable-component-update', 'disable-sync',
    'autoplay-policy=no-user-gesture-required']
ROWS = 4
INK = """
const canvas = document.getElementById(arguments[0]);
const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
let sum = 0;
for (let i = 0; i < pixels.length; i += 4) sum = (sum * 31 + pixels[i]) % 1000003;
return sum;"""


def start_browser(width: int, height: int, is_phone: bool = False):
    """Start a browser with a window of that size, in CSS pixels."""
    webdriver = pytest.importorskip('selenium.webdriver')
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for option in (*OPTIONS, f'window-size={width},{height}'):
        options.add_argument(f'--{option}')
    if is_phone:
        options.add_experimental_option('mobileEmulation', {
            'deviceMetrics': {'width': width, 'height': height, 'pixelRatio': 2.0}})
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
    return webdriver.Chrome(options, webdriver.ChromeService(DRIVER))


@pytest.fixture(scope='module')
def page(tmp_path_factory, spoken) -> Path:
    """Return a report of what was published, and heard twice more."""
    folder = tmp_path_factory.mktemp('browser')
    settings = folder / 'new.yaml'
    settings.write_text('/**:\n  ros__parameters:\n    vad:\n      pre_roll_s: 0.0\n'
                        '      post_roll_s: 0.0\n      hangover_s: 0.1\n'
                        '      onset_db: 35.0\n      offset_db: 30.0\n')
    path = write_robot_bag(folder / 'bag', spoken, published(), topic='/<script>/audio')
    assert main(['bag', 'report', str(path), '--model', 'builtin', '--compare', str(settings),
                 '-o', str(folder / 'report.html')]) == 0
    return folder / 'report.html'


@pytest.fixture(scope='module')
def desktop(page):
    """Return a browser in which the report is open."""
    browser = start_browser(1400, 1000)
    browser.get(page.as_uri())
    yield browser
    browser.quit()


@pytest.fixture(autouse=True)
def show_everything(request):
    """Begin each test on a desktop with the whole time line."""
    if 'desktop' in request.fixturenames:
        request.getfixturevalue('desktop').execute_script('show(0, total_s)')


def find(browser, selector):
    """Return the elements that a selector of CSS finds."""
    return browser.find_elements('css selector', selector)


def drawn(browser, canvas: str = 'timeline') -> int:
    """Return a number that changes with the picture, once it has been drawn."""
    browser.execute_async_script(
        'requestAnimationFrame(() => requestAnimationFrame(arguments[0]))')
    return browser.execute_script(INK, canvas)


def test_every_utterance_has_a_row_and_a_button_that_can_play(desktop):
    assert len(find(desktop, '#rows tr')) == ROWS
    assert all(button.is_enabled() for button in find(desktop, '[data-play]'))
    assert TEXTS[1] in find(desktop, '#rows')[0].text


def test_a_button_plays_the_sound_and_stops_it(desktop):
    # in the page, since the sound may be over before the browser answers
    position_s, duration_s, pressed = desktop.execute_async_script("""
        const [button, done] = arguments, player = document.getElementById('player');
        const heard = [];
        player.addEventListener('timeupdate', function listen() {
          if (player.currentTime <= 0.05) return;
          player.removeEventListener('timeupdate', listen);
          heard.push(player.currentTime, player.duration, button.getAttribute('aria-pressed'));
          player.addEventListener('pause', () => done(heard), { once: true });
          button.click();
        });
        button.click();""", find(desktop, '[data-play]')[1])
    assert 0.05 < position_s < duration_s and duration_s == pytest.approx(1.7, abs=0.5)
    assert pressed == 'true'
    assert find(desktop, '[data-play]')[1].get_attribute('aria-pressed') == 'false'


def test_a_button_right_after_another_plays_its_own_sound(desktop):
    buttons = find(desktop, '[data-play]')
    pressed = desktop.execute_async_script("""
        const [buttons, done] = arguments, player = document.getElementById('player');
        player.addEventListener('timeupdate', function listen() {
          if (player.currentTime <= 0.05) return;
          player.removeEventListener('timeupdate', listen);
          done(buttons.map((each) => each.getAttribute('aria-pressed')));
          player.pause();
        });
        buttons[0].click();
        buttons[1].click();""", buttons[:2])
    assert pressed in (['false', 'true'], [None, 'true'])  # None: never played


@pytest.mark.parametrize('button', ['zoom-in', 'next', 'previous'])
def test_buttons_change_what_is_drawn_and_all_brings_it_back(desktop, button):
    whole = drawn(desktop)
    find(desktop, f'#{button}')[0].click()
    length_s = desktop.execute_script('return view.end_s - view.start_s')
    assert length_s < desktop.execute_script('return total_s')
    assert drawn(desktop) != whole
    find(desktop, '#fit')[0].click()
    desktop.execute_script('selected = -1')
    drawn(desktop)
    assert desktop.execute_script('return [view.start_s, view.end_s - total_s]') == [0, 0]


def test_keys_do_what_the_buttons_do(desktop):
    line = find(desktop, '#timeline')[0]
    line.send_keys('++')
    zoomed = desktop.execute_script('return [view.start_s, view.end_s]')
    assert zoomed[1] - zoomed[0] == pytest.approx(
        desktop.execute_script('return total_s') / 4, rel=0.01)
    line.send_keys('\ue014')  # arrow to the right
    assert desktop.execute_script('return view.start_s') > zoomed[0]
    line.send_keys('n')
    assert find(desktop, 'tr.selected')
    assert ' dB' in find(desktop, '#readout')[0].text
    line.send_keys('0')
    assert desktop.execute_script('return view.start_s') == 0


def test_dragging_moves_and_the_wheel_with_ctrl_zooms_at_the_pointer(desktop):
    actions = pytest.importorskip('selenium.webdriver').ActionChains
    line = find(desktop, '#timeline')[0]
    line.send_keys('++')
    before_s = desktop.execute_script('return view.start_s')
    actions(desktop).drag_and_drop_by_offset(line, -100, 0).perform()
    moved_s = desktop.execute_script('return [view.start_s, picture.pixel_s]')
    assert moved_s[0] - before_s == pytest.approx(100 * moved_s[1], rel=0.05)
    desktop.execute_script("""timeline.dispatchEvent(new WheelEvent('wheel', {
        ctrlKey: true, deltaY: -100, clientX: timeline.getBoundingClientRect().left,
        clientY: timeline.getBoundingClientRect().top + 9, cancelable: true }))""")
    drawn(desktop)
    after_s = desktop.execute_script('return [view.start_s, picture.pixel_s]')
    assert after_s[0] == pytest.approx(moved_s[0], abs=0.01) and after_s[1] < moved_s[1]


def test_words_that_differ_are_marked_and_can_be_had_alone(desktop):
    marked = find(desktop, '#rows tr.differs')
    assert 0 < len(marked) and find(desktop, '#rows mark')
    box = find(desktop, '#only-different')[0]
    box.click()
    shown = [row for row in find(desktop, '#rows tr') if row.is_displayed()]
    assert len(shown) == len(marked)
    box.click()


def test_the_search_shows_the_rows_with_the_words(desktop):
    search = find(desktop, '#search')[0]
    search.send_keys('PHONE')
    shown = [row.text for row in find(desktop, '#rows tr') if row.is_displayed()]
    assert len(shown) == 1 and TEXTS[2] in shown[0]
    search.send_keys(' nobody said')
    assert find(desktop, '#none-found')[0].is_displayed()
    search.clear()
    search.send_keys(' \b')


def test_dark_and_light_differ_and_both_can_be_read(desktop):
    def colours():
        return desktop.execute_script(
            'const style = getComputedStyle(document.body); return [style.color, '
            'style.backgroundColor].map(c => c.match(/[0-9]+/g).slice(0, 3).reduce('
            '(sum, part) => sum + Number(part), 0))')
    picture, light = drawn(desktop), colours()
    desktop.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [
        {'name': 'prefers-color-scheme', 'value': 'dark'}]})
    assert drawn(desktop) != picture
    dark = colours()
    desktop.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': []})
    assert light[1] - light[0] > 400 and dark[0] - dark[1] > 400


def test_a_phone_shows_it_without_scrolling_sideways(page):
    phone = start_browser(390, 844, is_phone=True)
    try:
        phone.get(page.as_uri())
        width, screen = phone.execute_script(
            'return [document.documentElement.scrollWidth, window.innerWidth]')
        assert width == screen == 390
        outside = phone.execute_script("""
            return [...document.body.querySelectorAll('*')].filter((each) => {
              const box = each.getBoundingClientRect();
              return box.width > 1 && box.right > window.innerWidth + 1;
            }).map((each) => each.outerHTML.slice(0, 80));""")
        assert not outside
        drawn(phone)
        assert not [entry for entry in phone.get_log('browser') if entry['level'] == 'SEVERE']
    finally:
        phone.quit()


def test_there_is_no_error_and_no_request_but_for_the_file_itself(page):
    browser = start_browser(800, 600)
    try:
        browser.get(page.as_uri())
        find(browser, '[data-play]')[0].click()
        drawn(browser, 'overview')
        messages = [json.loads(entry['message'])['message']
                    for entry in browser.get_log('performance')]
        asked = {message['params']['request']['url'] for message in messages
                 if message['method'] == 'Network.requestWillBeSent'}
        assert page.as_uri() in asked
        assert {url.partition(':')[0] for url in asked} <= {'file', 'data', 'blob'}, asked
        assert [url for url in asked if url.startswith('file')] == [page.as_uri()]
        assert not browser.get_log('browser')
    finally:
        browser.quit()
