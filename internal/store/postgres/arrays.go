package postgres

import "github.com/weirhq/weir/internal/store"

// A batch travels as one array for each column, which unnest makes rows of
// again: one statement, one round trip and one plan, whatever the length.

// arraysOf makes the arrays of so many columns, for n rows.
func arraysOf[T any](columns, n int) [][]T {
	values := make([]T, columns*n)
	arrays := make([][]T, columns)
	for i := range arrays {
		arrays[i] = values[i*n : (i+1)*n : (i+1)*n]
	}
	return arrays
}

// setAll sets row i of the arrays.
func setAll[T any](arrays [][]T, i int, values ...T) {
	for column, value := range values {
		arrays[column][i] = value
	}
}

// encodeAll makes texts ones that PostgreSQL takes; most stay as they are, and
// then so does the array.
func encodeAll(texts []string) []string {
	for i, text := range texts {
		if !isPlain(text) {
			encoded := make([]string, len(texts))
			copy(encoded, texts[:i])
			for ; i < len(texts); i++ {
				encoded[i] = encode(texts[i])
			}
			return encoded
		}
	}
	return texts
}

// hashBytes are hashes as PostgreSQL takes them.
func hashBytes(hashes []store.Hash) [][]byte {
	bytes := make([][]byte, len(hashes))
	for i := range hashes {
		bytes[i] = hashes[i][:]
	}
	return bytes
}

// hashOf reads a hash; no bytes are the zero hash.
func hashOf(b []byte) store.Hash {
	var h store.Hash
	copy(h[:], b)
	return h
}
