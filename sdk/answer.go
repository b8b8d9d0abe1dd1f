package sdk

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/weirhq/weir/wire"
)

// gzipBytesMin is the size below which compressing costs more than it saves.
const gzipBytesMin = 1024

// pooledBytesMax keeps a rare huge answer from staying in memory.
const pooledBytesMax = 4 << 20

// answer is a complete answer: nothing is sent before all of it is known, so a
// failure on the way is still a clean error.
type answer struct {
	status      int
	contentType string
	header      http.Header
	body        []byte
	// pooled, when set, is where body came from.
	pooled *[]byte
}

func jsonAnswer(status int, body []byte) answer {
	return answer{status: status, contentType: "application/json", body: body}
}

// errorAnswer is e in the contract's form, with more headers.
func (h *handler) errorAnswer(e *Error, header http.Header) answer {
	body, err := wire.Encode(wire.Error{Title: e.Title, Detail: strings.ToValidUTF8(e.Detail, "\uFFFD")})
	if err != nil {
		body = []byte(`{"Title":"Internal error","Detail":""}`)
	}
	a := jsonAnswer(e.Status, body)
	a.header = header
	if e.RetryAfter > 0 {
		if a.header == nil {
			a.header = http.Header{}
		}
		a.header.Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	return a
}

// encode makes an answer of a value of the contract in a buffer that is used
// again.
func encode[B wire.Body](status int, body B) (answer, error) {
	pooled, ok := buffers.Get().(*[]byte)
	if !ok {
		pooled = new([]byte)
	}
	encoded, err := wire.Append((*pooled)[:0], body)
	*pooled = encoded
	a := jsonAnswer(status, encoded)
	a.pooled = pooled
	if err != nil {
		a.release()
		return answer{}, broken("%v", err)
	}
	return a, nil
}

// buffers holds the []byte that answers were encoded in.
var buffers sync.Pool

// release gives the answer's buffer back. The body is of no use afterwards.
func (a *answer) release() {
	if a.pooled != nil && cap(*a.pooled) <= pooledBytesMax {
		buffers.Put(a.pooled)
	}
	a.pooled = nil
}

// write sends the answer: 304 where the caller has it already, compressed where
// it may be. It returns the status and the bytes of the body that were sent.
func (a *answer) write(w http.ResponseWriter, r *http.Request) (status, size int) {
	header := w.Header()
	for name, values := range a.header {
		header[name] = values
	}
	if a.status == http.StatusOK && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		tag := etag(a.body)
		header.Set("ETag", tag)
		header.Set("Cache-Control", "private, no-cache")
		if knows(r.Header.Get("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return http.StatusNotModified, 0
		}
	}
	header.Set("Content-Type", a.contentType)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Add("Vary", "Accept-Encoding")
	body := a.body
	if len(body) >= gzipBytesMin && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		compressed := compress(body)
		defer compressors.Put(compressed)
		body = compressed.into.Bytes()
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.status)
	if r.Method == http.MethodHead {
		return a.status, 0
	}
	size, _ = w.Write(body)
	return a.status, size
}

// etag names a body by its content, the same on every instance of the service.
// It is weak because the compressed body has it too.
func etag(body []byte) string {
	sum := sha256.Sum256(body)
	return `W/"` + hex.EncodeToString(sum[:16]) + `"`
}

// knows reports whether an If-None-Match header names the tag.
func knows(ifNoneMatch, tag string) bool {
	for candidate := range strings.SplitSeq(ifNoneMatch, ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// acceptsGzip reads an Accept-Encoding header.
func acceptsGzip(header string) bool {
	for coding := range strings.SplitSeq(header, ",") {
		name, parameter, _ := strings.Cut(coding, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		weight, given := strings.CutPrefix(strings.TrimSpace(parameter), "q=")
		quality, err := strconv.ParseFloat(weight, 64)
		return !given || err == nil && quality > 0
	}
	return false
}

// compressor is a writer and what it writes into.
type compressor struct {
	writer *gzip.Writer
	into   bytes.Buffer
}

// compressors holds those that are not at work: a new one costs most of a megabyte.
var compressors sync.Pool

// compress returns body compressed, in a compressor to be given back.
func compress(body []byte) *compressor {
	c, ok := compressors.Get().(*compressor)
	if !ok {
		c = new(compressor)
		c.writer, _ = gzip.NewWriterLevel(&c.into, gzip.BestSpeed) // a level that exists
	}
	c.into.Reset()
	c.writer.Reset(&c.into)
	_, _ = c.writer.Write(body) // a buffer takes everything
	_ = c.writer.Close()
	return c
}
