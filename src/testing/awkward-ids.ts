/**
 * Ids that are well formed and all different, of which some database, object or file takes two for one
 * or one for something else.
 */
export const awkwardNames: readonly string[] = [
  // Of an object without own properties.
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', 'then'],
  // Of queries.
  ...[
    "o'clock",
    '"',
    '`',
    '\\',
    '%',
    '_',
    "'; DROP TABLE orders; --",
    '?',
    '$1',
    ':id',
    '{}',
    '[]',
  ],
  // Of types that are converted.
  ...[
    '0',
    '00',
    '-0',
    '1',
    '01',
    '1.0',
    '1e0',
    ' 1',
    '0x1',
    'null',
    'NULL',
    'undefined',
    'true',
    'NaN',
  ],
  // Of white space and control characters.
  ...[
    ' ',
    '  ',
    'a',
    'a ',
    ' a',
    'a\n',
    'a\r\n',
    '\t',
    '\0',
    'a\0',
    'a\0b',
    '\x7f',
    '\u200b',
    '\ufeff',
  ],
  // Of collations: case, accents, ligatures and compositions.
  ...['A', 'ß', 'ss', 'é', 'e\u0301', 'e', 'ﬁ', 'fi', 'İ', 'i', 'I', 'ı', 'Å', '\u212b'],
  // Of encodings: the greatest of one, two, three and four bytes, and what JSON or a script may escape.
  ...[
    '\u07ff',
    '\uffff',
    '\u{10ffff}',
    '\u{1f600}',
    '\u{1f468}\u200d\u{1f469}',
    '\u2028',
    '/',
    '..',
  ],
  // Of the greatest length, in characters and in bytes.
  ...['x'.repeat(256), `${'x'.repeat(255)}y`, '\uffff'.repeat(256), '\u{1f600}'.repeat(128)],
];
