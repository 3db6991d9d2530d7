package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"go-micro.dev/v4/transport"
)

// secure says how the peer speaks TLS: without files as transport.Secure(true) has it, else by transport.TLSConfig.
type secure struct {
	Ca         string
	Cert       string
	Key        string
	ClientAuth bool
}

// httpTransport is go-micro's own, in plain text where there is nothing about TLS.
func httpTransport(s *secure) (transport.Transport, error) {
	if s == nil {
		return transport.NewHTTPTransport(), nil
	}
	if *s == (secure{}) {
		return transport.NewHTTPTransport(transport.Secure(true)), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.Ca != "" {
		pem, err := os.ReadFile(s.Ca)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", s.Ca)
		}
		config.RootCAs, config.ClientCAs = pool, pool
	}
	if s.Cert != "" {
		own, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{own}
	}
	if s.ClientAuth {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return transport.NewHTTPTransport(transport.Secure(true), transport.TLSConfig(config)), nil
}
