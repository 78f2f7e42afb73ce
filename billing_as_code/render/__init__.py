"""What people and programs read: text, markdown and JSON made from plans and events. Pure, but for `terminal`."""
