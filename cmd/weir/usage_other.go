//go:build !unix

package main

// usage is unknown where the system does not tell it in the way of Unix.
func usage() resources { return resources{} }
