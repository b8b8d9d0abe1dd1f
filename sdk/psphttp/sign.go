package psphttp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"
)

// SignHMAC returns a function for [Options].Sign that signs the way many
// providers want it: header holds the HMAC-SHA256, in hexadecimal, of the method,
// the path with its query, the time and the body, one a line. The time, in
// seconds since 1970, is in the header timeHeader. Where a provider's rule
// differs, write a function of your own after this one.
func SignHMAC(header, timeHeader string, secret []byte) func(*http.Request, []byte) error {
	return func(request *http.Request, body []byte) error {
		now := strconv.FormatInt(time.Now().Unix(), 10)
		mac := hmac.New(sha256.New, secret)
		for _, line := range []string{request.Method, request.URL.RequestURI(), now} {
			_, _ = mac.Write([]byte(line + "\n")) // a hash takes everything
		}
		_, _ = mac.Write(body)
		request.Header.Set(timeHeader, now)
		request.Header.Set(header, hex.EncodeToString(mac.Sum(nil)))
		return nil
	}
}
