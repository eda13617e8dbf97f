// Partitions as cells: a calendar where there is one row of dates, else a table with a row for each rest.

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October',
  'November', 'December'];
// Of a time as text: where the name of a row ends; where the number of a cell begins, its length, the first, how many.
const CLOCKS = { MINUTE: [13, 14, 2, 0, 60], HOUR: [10, 11, 2, 0, 24], MONTH: [4, 5, 2, 1, 12], YEAR: [3, 0, 4, 0, 10] };
// By which part of a time columns are grouped, and which part is said of each.
const HEADS = {
  MINUTE: [13, 14, 16], HOUR: [10, 11, 13], DAY: [7, 8, 10], WEEK: [7, 8, 10], MONTH: [4, 5, 7], QUARTER: [4, 5, 7], YEAR: [2, 2, 4],
};
const WEEKDAYS = ['Mo', 'Tu', 'We', 'Th', 'Fr', 'Sa', 'Su'];

const grid = {
  data: null, row: null, stale: new Set(), cells: [], columns: 0, up: 0, here: -1, onopen: () => {},

  // Draw the data of a node into an element; ``row`` is the one row to be seen as a calendar, if any.
  draw(place, data, row) {
    this.data = data;
    this.row = data.rows.length === 1 ? 0 : row;
    this.columns = data.keys.length;
    const single = this.row !== null;
    const granularity = data.times ? data.dims[data.axis].granularity : null;
    let made;
    if (!data.dims.length) made = this.chips([0]);
    else if (single && granularity === 'DAY') made = this.calendar();
    else if (single && CLOCKS[granularity]) made = this.clock(granularity);
    else if (single) made = this.chips([...data.keys.keys()]);
    else made = this.table();
    place.innerHTML = made;
    this.cells = [];
    for (const cell of place.querySelectorAll('[data-i]')) this.cells[cell.dataset.i] = cell;
    this.mark();
    const known = this.cells[this.here];
    this.stand(known ? this.here : this.latest(), false);
    const scroll = place.querySelector('.scroll');
    if (scroll) this.open(scroll);
  },

  // What is older than what it read has a mark.
  mark() {
    this.cells.forEach((cell, index) => { if (cell) cell.classList.toggle('stale', this.stale.size > 0 && this.stale.has(this.partition(index))); });
  },

  letter(index) { return this.data.cells[Math.floor(index / this.columns)][index % this.columns]; },

  // The last cell of which anything is known; of a table the last.
  latest() {
    const found = this.cells.findLastIndex((cell, index) => cell && this.letter(index) !== '.');
    return found < 0 || this.row === null ? this.cells.findLastIndex((cell) => cell) : found;
  },

  // Scroll to the latest that is known: a day may have only its first hours.
  open(scroll) {
    if (this.row === null) { scroll.scrollLeft = scroll.scrollWidth; return; }
    const cell = this.cells[this.latest()];
    if (!cell) return;
    const right = cell.getBoundingClientRect().right - scroll.getBoundingClientRect().left + scroll.scrollLeft;
    scroll.scrollLeft = Math.max(0, right + 30 - scroll.clientWidth);
  },

  // --- forms ---

  cell(row, column, content, more = '') {
    const letter = this.data.cells[row][column];
    const sign = STATES[letter].sign;
    return `<i role="gridcell" tabindex="-1" class="cell c${letter === '.' ? 'M' : letter}" `
      + `data-i="${row * this.columns + column}"${more}>${content ?? sign}`
      + `${content !== undefined && sign ? `<b>${sign}</b>` : ''}</i>`;
  },

  calendar() {
    const months = new Map();
    this.data.times.forEach((time, column) => {
      const month = time.slice(0, 7);
      if (!months.has(month)) months.set(month, []);
      months.get(month).push(column);
    });
    this.up = 7;
    const blocks = [...months].reverse().map(([month, columns]) => {
      if (!month) return `<div class="month">${columns.map((c) => this.cell(this.row, c, escape(this.data.keys[c]))).join('')}</div>`;
      const [year, number] = month.split('-').map(Number);
      const weeks = new Map();
      for (const column of columns) {
        const day = Number(this.data.times[column].slice(8, 10));
        const first = (new Date(Date.UTC(year, number - 1, 1)).getUTCDay() + 6) % 7;
        const week = Math.floor((day - 1 + first) / 7);
        if (!weeks.has(week)) weeks.set(week, Array(7).fill('<i class="none" role="presentation"></i>'));
        weeks.get(week)[(day - 1 + first) % 7] = this.cell(this.row, column, day);
      }
      const head = WEEKDAYS.map((name) => `<i class="head" aria-hidden="true">${name}</i>`).join('');
      const name = `${MONTHS[number - 1]} ${year}`;
      return `<section class="month" role="grid" aria-label="${name}"><h4>${name}</h4><div class="week" aria-hidden="true">${head}</div>`
        + [...weeks.values()].map((days) => `<div class="week" role="row">${days.join('')}</div>`).join('') + '</section>';
    });
    return `<div class="months">${blocks.join('')}</div>`;
  },

  // Hours of days, minutes of hours, months of years, or years.
  clock(granularity) {
    const [cut, from, length, start, size] = CLOCKS[granularity];
    this.up = size;
    const rows = new Map();
    this.data.times.forEach((time, column) => {
      const name = granularity === 'YEAR' ? `${time.slice(0, 3)}0s` : time.slice(0, cut).replace('T', ' ');
      const number = granularity === 'YEAR' ? Number(time[3]) : Number(time.slice(from, from + length)) - start;
      if (!rows.has(name)) rows.set(name, Array(size).fill('<i class="none" role="presentation"></i>'));
      rows.get(name)[number] = this.cell(this.row, column);
    });
    const label = (n) => (granularity === 'MONTH' ? MONTHS[n].slice(0, 3)
      : size === 60 && n % 5 ? '' : String(n + start).padStart(size > 10 ? 2 : 1, '0'));
    const head = [...Array(size).keys()].map((n) => `<i class="head">${label(n)}</i>`).join('');
    return `<div class="scroll"><div class="table ${granularity.toLowerCase()}" role="grid" aria-label="Partitions">`
      + `<div class="line" aria-hidden="true"><span class="side"></span>${head}</div>`
      + [...rows].reverse().map(([name, cells]) =>
        `<div class="line" role="row"><span class="side" role="rowheader">${escape(name)}</span>${cells.join('')}</div>`).join('')
      + '</div></div>';
  },

  chips(columns) {
    this.up = 1;
    const chips = columns.map((column) => this.cell(this.row, column, escape(this.data.keys[column] || 'the whole'), ' data-chip'));
    return `<div class="chips" role="grid" aria-label="Partitions"><div role="row">${chips.join('')}</div></div>`;
  },

  table() {
    const { rows, keys, times } = this.data;
    this.up = this.columns;
    const groups = [];
    const [cut, from, to] = times ? HEADS[this.data.dims[this.data.axis].granularity] : [];
    const group = (column) => (times ? times[column].slice(0, cut).replace('T', ' ') : '');
    keys.forEach((_, column) => {
      const name = group(column);
      if (groups.length && groups[groups.length - 1][0] === name) groups[groups.length - 1][1] += 1;
      else groups.push([name, 1]);
    });
    const short = (column) => {
      if (!times || !times[column]) return escape(keys[column]);
      return times[column].slice(from, to);
    };
    // Where a group has no room for its whole name, the end of it is said; the last one has all the room it needs.
    const named = ([name, n], at) => (at === groups.length - 1 || n > 3 ? name : n > 1 ? name.slice(-5) : '');
    const corner = escape(this.data.dims.filter((_, n) => n !== this.data.axis).map((d) => d.name).join(' / '));
    const dates = times ? 'dates' : 'words';
    const head = (times ? `<div class="line groups" aria-hidden="true"><span class="side"></span>${groups.map((each, at) =>
      `<span class="group" data-columns="${each[1]}" title="${each[0]}"><b>${named(each, at)}</b></span>`).join('')}</div>` : '')
      + `<div class="line heads" aria-hidden="true"><span class="side names" title="${corner}">${corner}</span>${keys.map((_, c) => `<i class="head" title="${escape(keys[c])}">${short(c)}</i>`).join('')}</div>`;
    const body = rows.map((key, row) => {
      const name = escape(key.join(' / '));
      const side = times ? `<button type="button" class="side" role="rowheader" data-row="${row}" title="${name}: as a calendar">${name}</button>`
        : `<span class="side" role="rowheader" title="${name}">${name}</span>`;
      return `<div class="line" role="row">${side}${keys.map((_, column) => this.cell(row, column)).join('')}</div>`;
    });
    return `<div class="scroll"><div class="table ${dates}" role="grid" aria-label="Partitions" aria-rowcount="${rows.length}" aria-colcount="${keys.length}">${head}${body.join('')}</div></div>`;
  },

  // --- what a cell is ---

  texts(index) {
    const [row, column] = [Math.floor(index / this.columns), index % this.columns];
    const key = [...this.data.rows[row]];
    if (this.data.dims.length) key.splice(this.data.axis, 0, this.data.keys[column]);
    return key;
  },

  partition(index) { return this.texts(index).join('/'); },

  say(index) {
    const letter = this.letter(index);
    const stale = this.cells[index]?.classList.contains('stale') ? ', stale' : '';
    return `${this.partition(index) || 'the whole output'}: ${STATES[letter].name}${stale}`;
  },

  index(partition) {
    return this.cells.findIndex((cell, index) => cell && this.partition(index) === partition);
  },

  // The last partition in a state before the one that is shown, going round; null when none is in sight.
  last(letter) {
    const found = this.cells.flatMap((cell, index) =>
      (cell && this.letter(index) === letter ? [index] : []));
    if (!found.length) return null;
    const late = (index) => [index % this.columns, index];
    found.sort((a, b) => late(b)[0] - late(a)[0] || b - a);
    const chosen = this.cells.findIndex((cell) => cell && cell.hasAttribute('aria-selected'));
    const index = found[(found.indexOf(chosen) + 1) % found.length];
    this.stand(index, false);
    this.cells[index].scrollIntoView({ block: 'nearest', inline: 'center' });
    return this.partition(index);
  },

  // --- where the keyboard is ---

  stand(index, focus = true) {
    if (this.cells[this.here]) this.cells[this.here].setAttribute('tabindex', '-1');
    this.here = index;
    const cell = this.cells[index];
    if (!cell) return;
    cell.setAttribute('tabindex', '0');
    cell.setAttribute('aria-label', this.say(index)); // only where it is read: there may be thousands
    if (focus) cell.focus();
  },

  choose(partition, show = false) {
    for (const cell of this.cells) if (cell && cell.hasAttribute('aria-selected')) cell.removeAttribute('aria-selected');
    const index = partition === null ? -1 : this.index(partition);
    if (index >= 0) {
      this.cells[index].setAttribute('aria-selected', 'true');
      this.stand(index, false);
      if (show) this.cells[index].scrollIntoView({ block: 'nearest', inline: 'center' });
    }
  },

  key(event) {
    const table = this.row === null;
    const [row, column] = [Math.floor(this.here / this.columns), this.here % this.columns];
    const last = this.columns - 1;
    const steps = {
      ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
      ArrowUp: table ? [row - 1, column] : [row, column - this.up],
      ArrowDown: table ? [row + 1, column] : [row, column + this.up],
      Home: [row, 0], End: [row, last],
      PageUp: table ? [row - 10, column] : [row, Math.max(0, column - 5 * this.up)],
      PageDown: table ? [row + 10, column] : [row, Math.min(last, column + 5 * this.up)],
    };
    if (event.key === 'Enter' || event.key === ' ') this.onopen(this.partition(this.here));
    else if (steps[event.key]) {
      const rows = this.data.rows.length - 1;
      const [toRow, to] = [Math.min(rows, Math.max(0, steps[event.key][0])), steps[event.key][1]];
      if (to >= 0 && to <= last) this.stand(toRow * this.columns + to);
    } else return;
    event.preventDefault();
  },

  listen(place) {
    place.addEventListener('keydown', (event) => { if (event.target.dataset.i) this.key(event); });
    place.addEventListener('click', (event) => {
      const cell = event.target.closest('[data-i]');
      if (cell) { this.stand(Number(cell.dataset.i)); this.onopen(this.partition(Number(cell.dataset.i))); }
    });
    place.addEventListener('pointerover', (event) => {
      const cell = event.target.closest('[data-i]');
      if (cell) tip(this.say(Number(cell.dataset.i)), cell); else $('tooltip').hidden = true;
    });
    place.addEventListener('pointerleave', () => { $('tooltip').hidden = true; });
  },
};
