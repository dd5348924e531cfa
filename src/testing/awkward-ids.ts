/**
 * Well-formed ids, all different. Some database, object or file takes two of them for the same one, or one for
 * something else.
 */
export const awkwardNames: readonly string[] = [
  // Properties that every object has.
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', 'then'],
  // Parts of queries.
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
  // Texts that are converted to other types.
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
  // White space and control characters.
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
  // Equal under some collations: case, accents, ligatures and compositions.
  ...['A', 'ß', 'ss', 'é', 'e\u0301', 'e', 'ﬁ', 'fi', 'İ', 'i', 'I', 'ı', 'Å', '\u212b'],
  // Encodings: the greatest characters of one, two, three and four bytes, and what JSON or a script may escape.
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
  // The greatest length, in characters and in bytes.
  ...['x'.repeat(256), `${'x'.repeat(255)}y`, '\uffff'.repeat(256), '\u{1f600}'.repeat(128)],
];
