package gonet_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed963a8790/netstack/tcpip"
)

// serve runs an ordinary web server on a host until the test ends.
func serve(t *testing.T, h *host, handler http.Handler) {
	t.Helper()
	l, err := h.Listen(context.Background(), "tcp", ":80")
	require.NoError(t, err)
	server := &http.Server{Handler: handler}
	done := make(chan error)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
}

// echoBody reads everything before it writes: HTTP/1 servers are not asked for both at once.
func echoBody(w http.ResponseWriter, r *http.Request) {
	if body, err := io.ReadAll(r.Body); err == nil {
		_, _ = w.Write(body)
	}
}

// Ordinary net/http on both sides, many requests at once, over both families.
func TestHTTP(t *testing.T) {
	left, right := newPair(t, nil)
	serve(t, right, http.HandlerFunc(echoBody))
	transport := &http.Transport{DialContext: left.DialContext}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			want := noise(100_000 + i)
			url := fmt.Sprintf("http://%s/", []string{right4, "[" + right6 + "]"}[i%2])
			resp, err := client.Post(url, "application/octet-stream", bytes.NewReader(want))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	wg.Wait()
}

// A request whose context ends is given up, and its connection with it.
func TestHTTPCancel(t *testing.T) {
	left, right := newPair(t, nil)
	entered := make(chan struct{})
	gone := make(chan struct{})
	serve(t, right, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done() // the server notices that the client has gone
		close(gone)
	}))
	transport := &http.Transport{DialContext: left.DialContext}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+right4+"/", nil)
	require.NoError(t, err)
	go func() {
		<-entered
		cancel()
	}()
	_, err = (&http.Client{Transport: transport}).Do(req)
	require.ErrorIs(t, err, context.Canceled)
	<-gone
}

// Under testing/synctest the stack's time is the bubble's: timeouts of minutes pass at once.
func TestHTTPSynctest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right := newPair(t, tcpip.SystemClock())
		serve(t, right, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(10 * time.Minute)
			echoBody(w, r)
		}))
		transport := &http.Transport{DialContext: left.DialContext, ResponseHeaderTimeout: 5 * time.Minute}
		defer transport.CloseIdleConnections()
		_, err := (&http.Client{Transport: transport}).Get("http://" + right4 + "/")
		require.ErrorContains(t, err, "timeout awaiting response headers")
		transport.ResponseHeaderTimeout = time.Hour
		resp, err := (&http.Client{Transport: transport}).Get("http://" + right4 + "/")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
	})
}
