package hub

// Asset is a currency or token with its precision in Formance's Unambiguous
// Monetary Notation: "USD/2" counts cents, "JPY" whole yen. "USD" and "USD/2"
// are two different assets; nothing in Weir converts between them.
type Asset string
