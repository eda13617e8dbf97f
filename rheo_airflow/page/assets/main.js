// What is shown, and when it is read again. The address says it: #app/node/partition.

const EVERY = 10_000; // milliseconds between two looks at the ledger, while somebody looks at the page

const state = { app: null, node: null, partition: null, live: !$('data'), asked: 0, opened: 0 };

function tell(text, fault = false) {
  $('told').textContent = text;
  $('told').classList.toggle('fault', fault);
}

async function attempt(work) {
  try {
    await work();
    return true;
  } catch (fault) {
    tell(fault.message, true);
    return false;
  }
}

function address() {
  return '#' + [state.app, state.node, state.partition].filter((part) => part !== null).map(encodeURIComponent).join('/');
}

function open(node, partition = null, { focus = false, remember = true } = {}) {
  const changed = node !== state.node;
  state.node = node && graph.byId.has(node) ? node : null;
  state.partition = state.node ? partition : null;
  panel.partition = state.partition;
  if (remember && location.hash !== address()) history.pushState(null, '', address());
  $('panel').hidden = $('split').hidden = !state.node;
  graph.select(state.node);
  if (!state.node) return;
  if (changed) {
    panel.show(graph.byId.get(state.node), graph.model, state.live);
    panel.alarm(graph.told);
    if (focus) $('panel').querySelector('h2').focus();
    readNode();
  } else if (panel.data) grid.choose(state.partition, true);
  readPartition();
}

const isNode = () => state.live && state.node && graph.byId.get(state.node).dag;

async function readNode() {
  if (!isNode()) return;
  const [app, node, number] = [state.app, state.node, ++state.asked];
  await attempt(async () => {
    // What ran is known at once, what waits takes longer.
    for (const waiting of panel.text ? [true] : [false, true]) {
      const data = await ask(['apps', app, 'nodes', node, 'partitions'], { ...panel.window, waiting });
      if (number !== state.asked) return;
      if (!waiting || JSON.stringify(data) !== panel.text) panel.fill(data);
    }
    const told = await ask(['apps', app, 'nodes', node, 'stale']);
    if (number === state.asked) panel.older(told);
  });
}

async function readPartition() {
  if (!isNode()) return;
  const { app, node, partition } = state;
  if (partition === null) { panel.account(null); return; }
  await attempt(async () => {
    const account = await ask(['apps', app, 'nodes', node, 'explain'], { partition });
    if (state.node === node && state.partition === partition) panel.account(account, graph.byId.get(node).dag);
  });
}

async function readStates() {
  if (!state.live || !state.app) return;
  const app = state.app;
  const fine = await attempt(async () => {
    const counts = await ask(['apps', app, 'states']);
    if (app === state.app) graph.states(counts);
  });
  if (fine) {
    await attempt(async () => {
      const pending = await ask(['apps', app, 'pending']);
      if (app === state.app) summary(graph.counts, pending);
    });
  }
  if (graph.model.vertices.some((v) => v.kind === 'alarm' || v.kind === 'composite')) {
    await attempt(async () => {
      const told = await ask(['apps', app, 'alarms']);
      if (app !== state.app) return;
      graph.alarms(told);
      panel.alarm(told);
    });
  }
  if (fine) tell(`as of ${new Date().toLocaleTimeString()}`);
}

// What needs a look, of all nodes: one press shows the latest of it and why, the next that of the next node.
function summary(counts, pending) {
  const kinds = [
    ['F', 'failed', Object.entries(counts).map(([node, found]) => [node, found.F])],
    ['W', 'waiting', Object.entries(pending).map(([node, found]) => [node, found.waiting])],
    ['L', 'late', Object.entries(pending).map(([node, found]) => [node, found.late])],
  ].map(([letter, name, nodes]) => [letter, name, nodes.filter(([, n]) => n)]).filter(([, , nodes]) => nodes.length);
  const focused = document.activeElement.dataset?.kind;
  const go = (letter, nodes) => {
    const at = nodes.findIndex(([node]) => node === state.node);
    panel.goal = letter;
    open(nodes[(at + 1) % nodes.length][0]);
    panel.arrive();
  };
  $('summary').hidden = !kinds.length;
  $('summary').replaceChildren(...kinds.map(([letter, name, nodes]) => {
    const total = nodes.reduce((sum, [, n]) => sum + n, 0);
    return h('button', { type: 'button', class: 'count', 'data-kind': letter, title: `${name}: ${nodes.map(([node, n]) => `${node} ${n}`).join(', ')}`,
      onclick: () => go(letter, nodes) }, letter === 'L' ? null : swatch(letter), `${total.toLocaleString()} ${name}`);
  }));
  if (focused) $('summary').querySelector(`[data-kind=${focused}]`)?.focus();
}

async function openApp(app, node = null, partition = null) {
  state.app = app;
  const number = ++state.opened;
  await attempt(async () => {
    const model = await ask(['apps', app, 'graph']);
    if (number !== state.opened) return; // another one was chosen meanwhile
    state.node = null;
    $('summary').hidden = true;
    graph.draw(model);
    document.title = `Rheo: ${app}`;
    open(node, partition, { remember: false });
    await readStates();
  });
}

// --- finding ---

function listenSearch() {
  const [input, list] = [$('search'), $('found')];
  let at = -1;
  const close = () => { list.hidden = true; input.setAttribute('aria-expanded', 'false'); input.removeAttribute('aria-activedescendant'); at = -1; };
  const options = () => [...list.children];
  const show = () => {
    const text = input.value.trim().toLowerCase();
    const rank = (v) => (v.id.toLowerCase().startsWith(text) ? 0 : 1);
    const found = !text || !graph.model ? [] : graph.model.vertices.filter((v) => v.id.toLowerCase().includes(text))
      .sort((a, b) => rank(a) - rank(b) || a.id.localeCompare(b.id)).slice(0, 12);
    list.replaceChildren(...found.map((v, n) => h('li', { id: `found-${n}`, role: 'option', 'data-id': v.id },
      svg('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, icon(v.kind)), h('span', {}, v.id), h('small', {}, KINDS[v.kind]))));
    if (text && !found.length) list.replaceChildren(h('li', { class: 'none' }, 'Nothing of that name'));
    list.hidden = !text;
    input.setAttribute('aria-expanded', String(!list.hidden));
    at = -1;
  };
  const choose = (option) => { if (option && option.dataset.id) { close(); input.value = ''; open(option.dataset.id, null, { focus: true }); } };
  input.addEventListener('input', show);
  input.addEventListener('focus', show);
  input.addEventListener('blur', () => setTimeout(close, 150));
  input.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      const count = options().length;
      if (count) at = (at + (event.key === 'ArrowDown' ? 1 : count - 1 + (at < 0))) % count;
      options().forEach((option, n) => option.setAttribute('aria-selected', String(n === at)));
      if (at >= 0) input.setAttribute('aria-activedescendant', `found-${at}`);
      event.preventDefault();
    } else if (event.key === 'Enter') choose(options()[Math.max(0, at)]);
    else if (event.key === 'Escape') { input.value = ''; close(); input.blur(); }
  });
  list.addEventListener('pointerdown', (event) => { event.preventDefault(); choose(event.target.closest('li')); });
}

function listenKeys() {
  document.addEventListener('keydown', (event) => {
    if (event.target.closest('input, select') || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === '/') $('search').focus();
    else if (event.key === 'Escape' && state.partition !== null) open(state.node);
    else if (event.key === 'Escape' && state.node) { const node = state.node; open(null); graph.focus(node); }
    else if (event.key === '+' || event.key === '=') graph.zoom(1.25);
    else if (event.key === '-') graph.zoom(0.8);
    else if (event.key === '0') graph.fit();
    else if (event.key === 'n' && state.node) $('near').click();
    else return;
    event.preventDefault();
  });
  $('near').addEventListener('click', () => {
    const pressed = $('near').getAttribute('aria-pressed') === 'true';
    $('near').setAttribute('aria-pressed', String(!pressed));
    graph.mark();
  });
  document.querySelector('.zoom').addEventListener('click', (event) => {
    const kind = event.target.dataset.zoom;
    if (kind === 'fit') graph.fit();
    else if (kind) graph.zoom(kind === 'in' ? 1.25 : 0.8);
  });
}

function listenSplit() {
  const split = $('split');
  const set = (width) => document.documentElement.style.setProperty('--panel', `${Math.round(Math.max(320, Math.min(innerWidth - 300, width)))}px`);
  split.addEventListener('pointerdown', (event) => {
    split.setPointerCapture(event.pointerId);
    const drag = (moved) => set(innerWidth - moved.clientX);
    split.addEventListener('pointermove', drag);
    split.addEventListener('pointerup', () => split.removeEventListener('pointermove', drag), { once: true });
  });
  split.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: 40, ArrowRight: -40 }[event.key];
    if (step) { set($('panel').offsetWidth + step); event.preventDefault(); }
  });
}

function legend() {
  const states = state.live ? ORDER.map((letter) => h('span', {}, swatch(letter), STATES[letter].name)) : [];
  const line = (kind, text) => h('span', {}, svg('svg', { viewBox: '0 0 28 8', class: `sample edge ${kind}`, 'aria-hidden': 'true' },
    svg('path', { d: 'M0 4H26' })), text);
  const place = $('legend');
  place.replaceChildren(h('summary', {}, 'Legend'),
    h('div', {}, ...states, line('trigger', 'input'), line('reference', 'reference'), line('watch', 'watched')));
  const chosen = kept.get('rheo-legend');
  place.open = chosen ? chosen === 'open' : innerWidth > 900;
  place.querySelector('summary').addEventListener('click', () => kept.set('rheo-legend', place.open ? 'folded' : 'open'));
}

async function start() {
  followTheme();
  graph.listen();
  listenSearch();
  listenKeys();
  listenSplit();
  legend();
  graph.onopen = (id, keyboard) => open(id, null, { focus: keyboard });
  grid.onopen = panel.onpartition = (partition) => open(state.node, partition);
  panel.onask = readNode;
  panel.onclose = () => { const node = state.node; open(null); graph.focus(node); };
  panel.onvertex = (id) => open(id, null, { focus: true });
  window.addEventListener('resize', () => { if (!state.node && graph.model) graph.home(); });
  const wanted = () => location.hash.slice(1).split('/').map(decodeURIComponent);
  if (!state.live) {
    const model = JSON.parse($('data').textContent);
    state.app = model.app;
    $('app').replaceChildren(h('strong', {}, model.app));
    graph.draw(model);
    window.addEventListener('popstate', () => open(wanted()[1] || null, null, { remember: false }));
    open(wanted()[1] || null, null, { remember: false });
    return;
  }
  await attempt(async () => {
    const apps = await ask(['apps']);
    if (!apps.length) { tell('No application of Rheo is in the DAGs folder.', true); return; }
    const choice = h('select', { 'aria-label': 'Application', onchange: () => { openApp(choice.value).then(() => history.pushState(null, '', address())); } },
      apps.map((each) => h('option', { value: each.app }, each.app)));
    $('app').replaceChildren(apps.length > 1 ? choice : h('strong', {}, apps[0].app));
    const go = async () => {
      const [app, node = null, partition = null] = wanted();
      const known = apps.some((each) => each.app === app) ? app : apps[0].app;
      choice.value = known;
      if (known !== state.app) await openApp(known, node, partition);
      else open(node, partition, { remember: false });
    };
    window.addEventListener('popstate', go);
    await go();
  });
  setInterval(() => { if (!document.hidden) { readStates(); readNode(); readPartition(); } }, EVERY);
}

start();
