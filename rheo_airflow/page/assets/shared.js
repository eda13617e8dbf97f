// What all parts of the page use: elements, states, addresses, times.

const $ = (id) => document.getElementById(id);

// An element; texts become text nodes, so that nothing in them is ever read as HTML.
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) element.setAttribute(name, value);
  element.append(...children.filter((child) => child != null));
  return element;
}

const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

// The letters of a grid's cells. Each state has a sign of its own: colour alone says nothing.
const STATES = {
  S: { name: 'succeeded', sign: '' },
  R: { name: 'running', sign: '▸' },
  Q: { name: 'queued', sign: '·' },
  F: { name: 'failed', sign: '✕' },
  K: { name: 'skipped', sign: '–' },
  W: { name: 'waiting', sign: '…' },
  '.': { name: 'missing', sign: '' },
};
const LETTER = {
  SUCCEEDED: 'S', CLAIMED: 'R', READY: 'Q', ANNOUNCED: 'Q', FAILED: 'F', SKIPPED: 'K',
};
const OVER = ['SUCCEEDED', 'FAILED', 'SKIPPED'];
// What CloudWatch calls the state of an alarm: a class, and words.
const ALARMS = { OK: ['ok', 'OK'], ALARM: ['alarmed', 'in ALARM'], INSUFFICIENT_DATA: ['lacking', 'not enough data'] };
const ORDER = ['F', 'R', 'Q', 'S', 'K', 'W', '.'];

const KINDS = {
  node: 'node', s3: 'S3 data', glue: 'Glue table', sns: 'SNS topic', timer: 'timer',
  alarm: 'alarm', composite: 'composite alarm', metric: 'metric', late: 'what is late', checks: 'checks',
};

// Small pictures, 16 by 16, drawn with lines.
const ICONS = {
  node: 'M8 1.5 14 5v6l-6 3.5L2 11V5zM2 5l6 3.5L14 5M8 8.5v6',
  s3: 'M2.5 4c0-3 11-3 11 0v8c0 3-11 3-11 0zM2.5 4c0 3 11 3 11 0',
  glue: 'M2 3h12v10H2zM2 6.5h12M6.5 6.5V13M10.5 6.5V13',
  sns: 'M2 4h12v8H2zM2 4l6 5 6-5',
  timer: 'M8 2a6 6 0 1 0 .01 0M8 4.5V8l2.5 2',
  alarm: 'M3.5 12h9c-1-1-1.2-2-1.2-4.500a3.300 3.300 0 0 0-6.600 0C4.700 10 4.500 11 3.500 12zM6.500 14h3',
  composite: 'M3.5 12h9c-1-1-1.2-2-1.2-4.500a3.300 3.300 0 0 0-6.600 0C4.700 10 4.500 11 3.500 12zM6.500 14h3M1.500 6a6 6 0 0 1 2-3.500M14.500 6a6 6 0 0 0-2-3.500',
  late: 'M8 2a6 6 0 1 0 .01 0M8 4.5V8l2.5 2',
  checks: 'M2 2h12v12H2zM4.500 8l2.500 2.500 4.500-5',
  metric: 'M2 2v12h12M4.500 11l3-4 2.500 2 3.500-5',
};

const icon = (kind) => svg('path', { class: 'icon', d: ICONS[kind] || ICONS.node });

function swatch(letter) {
  return h('i', { class: `cell c${letter === '.' ? 'M' : letter}`, 'aria-hidden': 'true' });
}

// A few words above an element.
function tip(text, element) {
  const [box, place] = [element.getBoundingClientRect(), $('tooltip')];
  place.hidden = false;
  place.textContent = text;
  place.style.left = `${Math.min(innerWidth - place.offsetWidth - 8, Math.max(8, box.left + box.width / 2 - place.offsetWidth / 2))}px`;
  place.style.top = `${box.top > 40 ? box.top - place.offsetHeight - 6 : box.bottom + 6}px`;
}

// What somebody chose stays chosen; a file may have no storage.
const kept = {
  get(name) { try { return localStorage.getItem(name); } catch { return null; } },
  set(name, value) { try { localStorage.setItem(name, value); } catch { /* then it is asked again */ } },
};

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const when = (iso) => h('time', { datetime: iso, title: iso }, iso ? moment.format(new Date(iso)) : '');

function ago(iso) {
  const seconds = Math.max(0, (Date.now() - new Date(iso)) / 1000);
  for (const [unit, size] of [['day', 86400], ['hour', 3600], ['minute', 60]]) {
    const n = Math.floor(seconds / size);
    if (n) return `for ${n} ${unit}${n > 1 ? 's' : ''}`;
  }
  return 'for less than a minute';
}

// How long it was from one time to another.
function span(from, to) {
  let seconds = Math.max(0, Math.round((new Date(to) - new Date(from)) / 1000));
  const parts = [];
  for (const [unit, size] of [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]]) {
    const n = Math.floor(seconds / size);
    if ((n || (unit === 's' && !parts.length)) && parts.length < 2) parts.push(`${n} ${unit}`);
    seconds -= n * size;
  }
  return parts.join(' ');
}

// A page of Airflow. Airflow shows this page in a frame that may not leave by itself, so its parent goes there.
function airflowLink(path, ...content) {
  const href = '../' + path.map(encodeURIComponent).join('/');
  return h('a', {
    href,
    onclick: (event) => {
      if (window.parent === window) return;
      event.preventDefault();
      const link = parent.document.createElement('a');
      link.href = new URL(href, location.href).href;
      if (event.metaKey || event.ctrlKey) link.target = '_blank';
      parent.document.body.append(link);
      link.click();
      link.remove();
    },
  }, ...content);
}

async function ask(path, query = {}) {
  const address = 'api/' + path.map(encodeURIComponent).join('/');
  const answer = await fetch(`${address}?${new URLSearchParams(query)}`, { credentials: 'same-origin' });
  if (answer.ok) return answer.json();
  if (answer.status === 401) throw new Error('You are logged out of Airflow: log in and reload this page.');
  if (answer.status === 403) throw new Error('Airflow does not let you see this.');
  const detail = await answer.json().then((data) => data.detail, () => '');
  throw new Error(`The server answered ${answer.status} ${detail}`);
}

// Airflow keeps its theme here; the system's is taken where it says nothing.
function followTheme() {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    const chosen = kept.get('theme');
    const theme = chosen === 'dark' || chosen === 'light' ? chosen : dark.matches ? 'dark' : 'light';
    document.documentElement.dataset.theme = theme;
  };
  dark.addEventListener('change', apply);
  window.addEventListener('storage', apply);
  apply();
}
