/** Style sheets are bundled into one; they export nothing. */
declare module '*.css' {}
