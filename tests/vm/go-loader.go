// SPDX-License-Identifier: LGPL-2.1-or-later

// go-loader: ordinary Go programs, which have threads whether they want them or not, and know nothing of the attach proxy
// and nothing of tokens: cilium/ebpf finds the token by itself.
//
//	go-loader once OBJECT CGROUP         loads OBJECT (packets.bpf.o), attaches to the cgroup, puts a second program in the
//	                                     link, detaches; attaches without a link and detaches; says what was counted meanwhile
//	go-loader many OBJECT CGROUP N R     N goroutines, each of which loads, attaches and detaches R times
//	go-loader raw OBJECT CGROUP N R      the same with one program and without the library: the bare system call
//
// `many` and `raw` run beside goroutines that make garbage, and a collector that never rests: it stops threads by signals,
// whatever system call they are in.
package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

const packets = 10

func die(what string, err error) {
	fmt.Fprintf(os.Stderr, "go-loader: %s: %v\n", what, err)
	os.Exit(1)
}

func load(object string) *ebpf.Collection {
	spec, err := ebpf.LoadCollectionSpec(object)
	if err != nil {
		die(object, err)
	}
	collection, err := ebpf.NewCollection(spec)
	if err != nil {
		die("load", err)
	}
	return collection
}

func program(collection *ebpf.Collection) *ebpf.Program {
	return collection.Programs["count_packets"]
}

func send() {
	conn, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		die("dial", err)
	}
	defer conn.Close()
	for range packets {
		// Nobody listens: that is told with the next one, which has gone out then all the same, or not. So one after the other.
		for {
			if _, err := conn.Write([]byte("x")); err == nil {
				break
			}
		}
	}
}

func counted(collection *ebpf.Collection) uint64 {
	var n uint64
	if err := collection.Maps["counters"].Lookup(uint32(0), &n); err != nil {
		die("counters", err)
	}
	return n
}

func once(object, cgroup string) {
	first, second := load(object), load(object)
	attached, err := link.AttachCgroup(link.CgroupOptions{Path: cgroup, Attach: ebpf.AttachCGroupInetEgress, Program: program(first)})
	if err != nil {
		die("attach", err)
	}
	send()
	if err := attached.Update(program(second)); err != nil {
		die("update", err)
	}
	send()
	if err := attached.Close(); err != nil {
		die("close", err)
	}
	send()
	fmt.Printf("linked: %d, updated: %d\n", counted(first), counted(second))

	third := load(object)
	dir, err := os.Open(cgroup)
	if err != nil {
		die("open", err)
	}
	options := link.RawAttachProgramOptions{Target: int(dir.Fd()), Program: program(third), Attach: ebpf.AttachCGroupInetEgress}
	if err := link.RawAttachProgram(options); err != nil {
		die("attach without a link", err)
	}
	send()
	if err := link.RawDetachProgram(link.RawDetachProgramOptions{Target: int(dir.Fd()), Program: program(third), Attach: ebpf.AttachCGroupInetEgress}); err != nil {
		die("detach", err)
	}
	send()
	fmt.Printf("without a link: %d\n", counted(third))
}

// The bare LINK_CREATE. The kernel's own errors, EINTR among them, are what a program would see.
func rawAttach(prog, cgroup int) error {
	attr := struct{ prog, target, attachType, flags uint32 }{uint32(prog), uint32(cgroup), uint32(ebpf.AttachCGroupInetEgress), 0}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_LINK_CREATE, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return errno
	}
	return unix.Close(int(fd))
}

var garbage [64]atomic.Pointer[[]byte]

func pressure(stop *atomic.Bool) {
	debug.SetGCPercent(1)
	for i := range 4 {
		go func() {
			for n := 0; !stop.Load(); n++ {
				waste := make([]byte, 4096)
				garbage[(i*16+n)%len(garbage)].Store(&waste)
			}
		}()
	}
	go func() {
		for !stop.Load() {
			runtime.GC()
		}
	}()
}

func many(goroutines, rounds int, attach func() error) {
	var attached, failed atomic.Int64
	var stop atomic.Bool
	var all sync.WaitGroup

	pressure(&stop)
	for range goroutines {
		all.Add(1)
		go func() {
			defer all.Done()
			for range rounds {
				if err := attach(); err != nil {
					if failed.Add(1) == 1 {
						fmt.Fprintf(os.Stderr, "go-loader: %v\n", err)
					}
				} else {
					attached.Add(1)
				}
			}
		}()
	}
	all.Wait()
	stop.Store(true)
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Printf("%d attached, %d failed, %d collections\n", attached.Load(), failed.Load(), stats.NumGC)
	if failed.Load() > 0 {
		os.Exit(1)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		die(text, fmt.Errorf("not a number of 1 or more"))
	}
	return n
}

func main() {
	switch {
	case len(os.Args) == 4 && os.Args[1] == "once":
		once(os.Args[2], os.Args[3])
	case len(os.Args) == 6 && os.Args[1] == "many":
		spec, err := ebpf.LoadCollectionSpec(os.Args[2])
		if err != nil {
			die(os.Args[2], err)
		}
		many(number(os.Args[4]), number(os.Args[5]), func() error {
			collection, err := ebpf.NewCollection(spec.Copy())
			if err != nil {
				return err
			}
			defer collection.Close()
			attached, err := link.AttachCgroup(link.CgroupOptions{Path: os.Args[3], Attach: ebpf.AttachCGroupInetEgress, Program: program(collection)})
			if err != nil {
				return err
			}
			return attached.Close()
		})
	case len(os.Args) == 6 && os.Args[1] == "raw":
		collection := load(os.Args[2])
		dir, err := os.Open(os.Args[3])
		if err != nil {
			die("open", err)
		}
		prog, cgroup := program(collection).FD(), int(dir.Fd())
		many(number(os.Args[4]), number(os.Args[5]), func() error { return rawAttach(prog, cgroup) })
		// The collector closes what nobody knows any more.
		runtime.KeepAlive(collection)
		runtime.KeepAlive(dir)
	default:
		fmt.Fprintln(os.Stderr, "usage: go-loader once OBJECT CGROUP | many|raw OBJECT CGROUP GOROUTINES ROUNDS")
		os.Exit(2)
	}
}
