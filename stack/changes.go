package stack

// tellChanges tells of what differs between two configurations of which one came from the other. Writers replace what
// they change, so most of both is the same objects. s.mu is held.
func (s *Stack) tellChanges(old, new *config) {
	if s.events.list.Load() == nil {
		return
	}
	goneRoutes, newRoutes := old.routes.v4.differs(&new.routes.v4)
	gone6, new6 := old.routes.v6.differs(&new.routes.v6)
	goneAddresses, newAddresses := middle(old.addresses.all, new.addresses.all)
	goneNICs, newNICs := middle(old.nics, new.nics)

	for _, r := range append(goneRoutes, gone6...) {
		s.tell(Event{Kind: EventRouteRemoved, Route: r})
	}
	for _, l := range goneAddresses {
		if new.addresses.on(l.nic, l.addr) == nil {
			s.tell(Event{Kind: EventAddressRemoved, NIC: l.nic.state(), Address: l.address()})
		}
	}
	for _, n := range goneNICs {
		if new.nic(n.id) != n {
			s.tell(Event{Kind: EventNICRemoved, NIC: n.state()})
		}
	}
	for _, n := range newNICs {
		if old.nic(n.id) != n {
			s.tell(Event{Kind: EventNICAdded, NIC: n.state()})
		}
	}
	for _, l := range newAddresses {
		switch was := old.addresses.on(l.nic, l.addr); {
		case was == nil:
			s.tell(Event{Kind: EventAddressAdded, NIC: l.nic.state(), Address: l.address()})
		case was.address() != l.address():
			s.tell(Event{Kind: EventAddressChanged, NIC: l.nic.state(), Address: l.address()})
		}
	}
	for _, r := range append(newRoutes, new6...) {
		s.tell(Event{Kind: EventRouteAdded, Route: r})
	}
}

// middle returns what is left of two lists without what they have in common at their beginning and at their end.
func middle[T comparable](a, b []T) (_, _ []T) {
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b
}

// differs returns the routes that x has and y lacks, and the other way round. No two rows are equal.
func (x *routeIndex) differs(y *routeIndex) (gone, added []RouteEntry) {
	a, b := middle(x.rows, y.rows)
	if len(a) == 0 && len(b) == 0 {
		return nil, nil
	}
	return missing(a, b), missing(b, a)
}

// missing returns those of a that b lacks.
func missing(a, b []*routeRow) (list []RouteEntry) {
	has := make(map[RouteEntry]bool, len(b))
	for _, r := range b {
		has[r.RouteEntry] = true
	}
	for _, r := range a {
		if !has[r.RouteEntry] {
			list = append(list, r.RouteEntry)
		}
	}
	return list
}
