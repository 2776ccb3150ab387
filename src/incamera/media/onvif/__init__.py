"""The little of ONVIF that asks a camera for a picture that decodes alone, without I/O.

    Call ─► OnvifSession.render ─► bytes to the camera          what is asked, and in which order: `conversation`
    Element ◄─ OnvifSession.receive ◄─ head and body of the answer

SOAP 1.2 over HTTP. A password never leaves as it is: WS-UsernameToken with a digest, or HTTP Digest where the camera
wants that. Nothing a camera says is believed beyond what it names of itself: its XML may hold no DTD, is bounded, and
an address in it is only ever dialled at the host that the camera's owner named.
"""
