package lane

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"sync"
)

// Wire remembers the headers of requests and answers as they went over the wire, which is how a cell shows that the
// client really did what it is here for.
type Wire struct {
	mutex    sync.Mutex
	Requests []*http.Request
	Answers  []*http.Response
}

func (wire *Wire) RoundTrip(request *http.Request) (*http.Response, error) {
	answer, err := transport().RoundTrip(request)
	wire.mutex.Lock()
	defer wire.mutex.Unlock()
	wire.Requests = append(wire.Requests, request.Clone(request.Context()))
	if err == nil {
		wire.Answers = append(wire.Answers, &http.Response{StatusCode: answer.StatusCode, Header: answer.Header.Clone()})
	}
	return answer, err
}

// transport trusts the lane's own authority besides the system's.
var transport = sync.OnceValue(func() http.RoundTripper {
	trusted := x509.NewCertPool()
	if file := os.Getenv("LANE_CA_FILE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil || !trusted.AppendCertsFromPEM(pem) {
			fail(fmt.Errorf("no certificate in LANE_CA_FILE: %w", err))
		}
	}
	ours := http.DefaultTransport.(*http.Transport).Clone()
	ours.TLSClientConfig = &tls.Config{RootCAs: trusted}
	return ours
})

// Sent asserts that a request of this method went out with a header of this value.
func (wire *Wire) Sent(method, header, value string) error {
	seen := []string{}
	for _, request := range wire.Requests {
		if request.Method != method {
			continue
		}
		if request.Header.Get(header) == value {
			return nil
		}
		seen = append(seen, request.Header.Get(header))
	}
	return fmt.Errorf("no %s was sent with %s: %s; seen %q", method, header, value, seen)
}

// Never asserts that no answer had a header.
func (wire *Wire) Never(header string) error {
	for _, answer := range wire.Answers {
		if value := answer.Header.Get(header); value != "" {
			return fmt.Errorf("an answer has %s: %s", header, value)
		}
	}
	return nil
}
